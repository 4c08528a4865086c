"""`stream-bridge replay`: the same bridge, with dead letters as its source."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.sinks import JsonLinesSink
from stream_bridge.config.sources import DeadLettersSource
from stream_bridge.errors import ConfigError


def replay_config(
    config: BridgeConfig,
    *,
    letters: str | None = None,
    codes: Sequence[str] = (),
    stages: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
) -> BridgeConfig:
    """A bridge's config with its source replaced by dead letters.

    Args:
      config: the bridge.
      letters: the file of dead letters; None takes the config's first sink of them.
      codes: only these codes.
      stages: only these stages.
      since: only letters last tried then or later, ISO 8601.
      until: only letters last tried before that, ISO 8601.

    Raises ConfigError for a wrong stage or time.
    """
    if letters is None:
        files = [
            sink
            for sink in config.sinks.values()
            if sink.take == "dead_letters" and isinstance(sink, JsonLinesSink)
        ]
        if not files:
            raise ConfigError(
                "no sink of dead letters is a file of JSON lines; name one with --from"
            )
        letters = str(files[0].path)
    try:
        source = DeadLettersSource(
            address=f"dead:{letters}",
            codes=tuple(codes),
            stages=tuple(stages),
            since=since,
            until=until,
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"--{str(problem['loc'][0]).removesuffix('s')}: {message}") from error
    return config.model_copy(update={"source": source})
