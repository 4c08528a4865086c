"""The serving gate: a candidate is served by a real server before anyone depends on it."""
