"""Real brokers as processes; requirements/services brings them."""

from examples.services.kafka import Kafka
from examples.services.process import ROOT, Service, free_port, install, until

__all__ = ["ROOT", "Kafka", "Service", "free_port", "install", "until"]
