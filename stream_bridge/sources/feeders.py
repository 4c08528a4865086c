"""Which feeder a spooled source has; opened before the pipeline, closed after it."""

from __future__ import annotations

import threading
from pathlib import Path

from stream_bridge.config.mqtt import MqttSource
from stream_bridge.config.sources import SourceConfig
from stream_bridge.config.spooled import StdinSource, SyslogSource, TcpSource
from stream_bridge.sources.feeder import Feeder
from stream_bridge.state import instance_name


def feeder_of(
    source: SourceConfig, state_dir: Path, max_line_bytes: int, ended: threading.Event
) -> Feeder | None:
    """What feeds the spool of a source; None where it has none. Raises SourceError, ConfigError.

    Args:
      source: the source.
      state_dir: where the spool is.
      max_line_bytes: longest line.
      ended: set when standard input has ended.
    """
    spool, limit = state_dir / "spool", max_line_bytes
    if isinstance(source, TcpSource):
        from stream_bridge.sources.assembler import LineAssembler
        from stream_bridge.sources.tcp import TcpListener

        return TcpListener(source, spool, lambda peer: LineAssembler(limit))
    if isinstance(source, SyslogSource):
        from stream_bridge.sources.syslog import DatagramListener, SyslogAssembler
        from stream_bridge.sources.tcp import TcpListener

        if source.transport == "udp":
            return DatagramListener(source, spool, limit)
        return TcpListener(source, spool, lambda peer: SyslogAssembler(peer, limit))
    if isinstance(source, MqttSource):
        from stream_bridge.sources.mqtt import MqttFeeder

        return MqttFeeder(source, spool, limit, source.client_id or instance_name(state_dir))
    if isinstance(source, StdinSource):
        from stream_bridge.sources.stdin import StdinFeeder

        return StdinFeeder(source, spool, limit, ended)
    return None
