"""The bridge's configuration: one frozen value, checked on birth.

Durations carry ``_seconds`` in their names and sizes ``_bytes``. Sources and sinks are chosen by
their address: ``tail:/var/log/app.log``, ``tcp://127.0.0.1:9000``, ``jsonl:out/predictions.jsonl``.
Paths are relative to the working directory. `stream_bridge.config.loading` reads one from YAML.
"""
