"""Lines to events: plain lines, JSON lines, loghub-style headers."""
