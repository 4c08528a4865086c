"""Fine-tuning: what the TFX Trainer runs."""
