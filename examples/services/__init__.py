"""Real brokers and databases as processes, for tests, benchmarks and the README's commands.

``requirements/services`` brings the programs. Loopback only, no password: not for production.
"""
