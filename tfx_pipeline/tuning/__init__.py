"""The Tuner: KerasTuner over `tuning.parameters`, each trial a training as the Trainer's."""

# The trials of a search, in the Tuner's output `tuner_results`.
TRIALS = "trials.json"
