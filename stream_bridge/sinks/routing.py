"""Which sink gets which outcome; a sink that fails is tried again, and holds the stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stream_bridge.config.sinks import SinkConfig
from stream_bridge.errors import BridgeError, SinkError
from stream_bridge.expressions import (
    DEAD_LETTER,
    WINDOW,
    Expression,
    Variables,
    prediction_variables,
)
from stream_bridge.records import DeadLetter, Prediction, WindowSummary, Written
from stream_bridge.rules import Failures
from stream_bridge.scoring.failures import Patience
from stream_bridge.sinks.writer import Writer, open_writer

if TYPE_CHECKING:
    from stream_bridge.sinks.kafka import SourceTransaction

_TAKES: dict[str, Callable[[Any], bool]] = {
    "predictions": lambda outcome: isinstance(outcome, Prediction),
    "alerts": lambda outcome: (
        isinstance(outcome, Prediction) and outcome.alert and not outcome.suppressed
    ),
    "review": lambda outcome: isinstance(outcome, Prediction) and bool(outcome.review),
    "dead_letters": lambda outcome: isinstance(outcome, DeadLetter),
    "windows": lambda outcome: isinstance(outcome, WindowSummary),
}


class Route:
    """Which outcomes one sink takes.

    An outcome on which ``when`` fails is taken: better one too many than one lost.

    Args:
      name: the sink's name.
      config: the sink.
      score: the output that ``score`` stands for.
      failures: told of an expression that fails.

    Raises ValueError naming the sink where ``when`` cannot be compiled.
    """

    def __init__(self, name: str, config: SinkConfig, score: str, failures: Failures):
        self._name = name
        self._failures = failures
        self.takes_kind = _TAKES[config.take]
        self._when: Expression | None = None
        if config.when is not None:
            try:
                self._when = Expression(config.when, _variables(config.take, score))
            except ValueError as error:
                raise ValueError(f"sink {name!r}: {error}") from error

    def taken(self, outcomes: Sequence[Any]) -> list[Any]:
        """Those it takes, in order."""
        kind, when = self.takes_kind, self._when
        taken = [outcome for outcome in outcomes if kind(outcome)]
        return taken if when is None else [each for each in taken if self._holds(when, each)]

    def _holds(self, when: Expression, outcome: Any) -> bool:
        try:
            return when(outcome)
        except ValueError as error:
            self._failures.note(f"sink {self._name}", outcome.name, error)
            return True


def _variables(take: str, score: str) -> Variables:
    if take == "dead_letters":
        return DEAD_LETTER
    return WINDOW if take == "windows" else prediction_variables(score)


class Sinks:
    """All sinks of one bridge.

    Args:
      configs: the sinks by name.
      patience: how to wait for one that fails.
      score: the output that ``score`` stands for in ``when``.
      failures: told of expressions that fail.
      together: sinks that commit together with the source, or None; they are written last.
    """

    def __init__(
        self,
        configs: Mapping[str, SinkConfig],
        patience: Patience,
        score: str,
        failures: Failures,
        together: SourceTransaction | None = None,
    ):
        self._patience = patience
        self._together = together
        self._topics: list[tuple[str, Route]] = []
        self._sinks: list[tuple[Route, Writer]] = []
        self._windows: list[tuple[Route, Writer]] = []
        try:
            for name, config in configs.items():
                route = Route(name, config, score, failures)
                if config.take == "windows":
                    self._windows.append((route, open_writer(name, config)))
                elif together is not None and name in together.names:
                    self._topics.append((config.topic, route))
                else:
                    self._sinks.append((route, open_writer(name, config)))
        except BridgeError:
            self.close()
            raise

    def write(
        self, outcomes: Sequence[Any], texts: Sequence[bytes | None], source: Any = None
    ) -> None:
        """Returns when every outcome is durable in every sink that takes it.

        Each stands beside its JSON; what has none goes to no sink. Waits for a sink that cannot
        write. Raises WaitedTooLong or Abandoned; a sink may then already hold some, which come
        again with the same event id.
        """
        text_by_id = dict(zip(map(id, outcomes), texts, strict=True))
        self._write(self._sinks, outcomes, text_by_id)
        if self._together is not None and outcomes:
            batches = {}
            for topic, route in self._topics:
                taken = route.taken(outcomes)
                batches[topic] = (taken, [text_by_id[id(each)] for each in taken])
            error = self._try_together(batches, source)
            if error is not None:
                self._patience.wait_until(lambda: self._try_together(batches, source), str(error))

    def _try_together(self, batches: dict[str, Any], source: Any) -> SinkError | None:
        try:
            self._together.write(batches, source)
        except SinkError as error:
            return error
        return None

    def write_windows(self, summaries: Sequence[WindowSummary]) -> None:
        """The same for windows. Their sinks take nothing else: the two may be written at once."""
        texts = {id(each): each.to_json() for each in summaries}
        self._write(self._windows, summaries, texts)

    def _write(
        self,
        sinks: Sequence[tuple[Route, Writer]],
        outcomes: Sequence[Any],
        text_by_id: Mapping[int, bytes | None],
    ) -> None:
        for route, writer in sinks:
            taken = route.taken(outcomes)
            lines = [text_by_id[id(each)] for each in taken]
            error = _try(writer, taken, lines)
            if error is not None:
                self._patience.wait_until(
                    lambda w=writer, t=taken, x=lines: _try(w, t, x), str(error)
                )

    def close(self) -> None:
        """Closes all sinks."""
        for _, writer in (*self._sinks, *self._windows):
            writer.close()
        if self._together is not None:
            self._together.close()


def _try(writer: Writer, outcomes: Sequence[Written], texts: Sequence[bytes]) -> SinkError | None:
    try:
        writer.write(outcomes, texts)
    except SinkError as error:
        return error
    return None
