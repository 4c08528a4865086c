"""Which sink gets which outcome; a sink that fails is tried again, and holds the stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stream_bridge.config.sinks import SinkConfig
from stream_bridge.errors import SinkError
from stream_bridge.records import DeadLetter, Outcome, Prediction
from stream_bridge.scoring.failures import Patience
from stream_bridge.sinks.json_lines import JsonLinesWriter

_TAKES: dict[str, Callable[[Outcome], bool]] = {
    "predictions": lambda outcome: isinstance(outcome, Prediction),
    "alerts": lambda outcome: isinstance(outcome, Prediction) and outcome.alert,
    "dead_letters": lambda outcome: isinstance(outcome, DeadLetter),
}


class Sinks:
    """All sinks of one bridge."""

    def __init__(self, configs: Mapping[str, SinkConfig], patience: Patience):
        self._patience = patience
        self._sinks = [
            (_TAKES[config.take], JsonLinesWriter(config.path)) for config in configs.values()
        ]

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Returns when every outcome is durable in every sink that takes it.

        Waits for a sink that cannot write. Raises WaitedTooLong or Abandoned; a sink may then
        already hold some, which come again with the same event id.
        """
        # One text per outcome, however many sinks take it.
        texts = [b"" if not _is_written(outcome) else outcome.to_json() for outcome in outcomes]
        for takes, writer in self._sinks:
            taken = [text for text, outcome in zip(texts, outcomes, strict=True) if takes(outcome)]
            error = _try(writer, taken)
            if error is not None:
                self._patience.wait_until(lambda w=writer, t=taken: _try(w, t), str(error))

    def close(self) -> None:
        """Closes all sinks."""
        for _, writer in self._sinks:
            writer.close()


def _is_written(outcome: Outcome) -> bool:
    return isinstance(outcome, Prediction | DeadLetter)


def _try(writer: JsonLinesWriter, lines: Sequence[bytes]) -> SinkError | None:
    try:
        writer.write(lines)
    except SinkError as error:
        return error
    return None
