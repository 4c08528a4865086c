"""Labelled files to spans: formats → events → splits → spans."""
