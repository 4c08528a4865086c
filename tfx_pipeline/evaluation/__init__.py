"""How good the model is: metrics, trivial baselines, and the terms of its blessing."""
