"""How good the model is: metrics, trivial baselines, and the terms of its blessing."""

# What the Scorecard component writes beside the predictions.
FILE = "scorecard.json"
