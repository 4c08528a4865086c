"""Programs to copy: the event simulator, the demo, and a client in ten lines."""
