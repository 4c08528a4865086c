"""How each kind of model on disk becomes a servable."""
