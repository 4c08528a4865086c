"""Live events in, predictions out, on Apache Beam."""
