"""Which versions of which models are wanted, loaded and serving."""
