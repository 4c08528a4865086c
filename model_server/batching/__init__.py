"""Joining runs of many requests into one."""
