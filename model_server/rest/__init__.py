"""The REST API: HTTP and JSON in front of the same calls."""
