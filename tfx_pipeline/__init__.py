"""Labelled text events to a blessed SavedModel, with TFX."""
