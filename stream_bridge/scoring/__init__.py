"""The scoring core: events in, predictions and dead letters out. It knows nothing of Beam."""
