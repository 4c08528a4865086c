"""An embedded server that speaks the TF Serving API."""
