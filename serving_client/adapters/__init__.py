"""Ready-made hooks for metrics and traces; each needs a package that is not in the base install."""
