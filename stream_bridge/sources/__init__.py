"""Where lines come from. Every source is read, positioned and committed the same way."""
