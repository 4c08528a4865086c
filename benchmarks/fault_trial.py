"""One trial of `faults.py`: a bridge, its events, and what became of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bridge_process import BridgeProcess

_PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """What became of the events of one trial, counted by their ids.

    Attributes:
      sent: different events.
      predicted: of them, those with a prediction.
      dead: of them, those with a dead letter.
      lost: those with neither.
      duplicates: predictions and dead letters more than one for each id.
      right: nothing is lost, nothing is there that was not sent, and as many are dead as should be.
      reason: what is wrong.
    """

    sent: int
    predicted: int
    dead: int
    lost: int
    duplicates: int
    right: bool
    reason: str = ""

    @classmethod
    def failed(cls, sent: int, reason: str) -> Outcome:
        """A trial that came to no end."""
        return cls(sent, 0, 0, sent, 0, False, reason.replace("\n", " ")[:500])


def lines(events: int, poison: int = 0) -> list[str]:
    """Events as JSON; each `poison`-th one is refused by the model."""
    return [
        json.dumps({"id": f"e{i}", "text": "poison" if poison and i % poison == 7 else f"line {i}"})
        for i in range(events)
    ]


class Trial:
    """A folder with a config over it.

    Args:
      folder: for everything.
      server: the model server's address.
      changes: parts of the config in the place of the usual ones.
    """

    def __init__(self, folder: Path, server: str, **changes: Any):
        self.folder = folder
        self.live = folder / "live.jsonl"
        self.live.touch()
        self.out, self.dead = folder / "out.jsonl", folder / "dead.jsonl"
        self.config: dict[str, Any] = {
            "state_dir": str(folder / "state"),
            "server": {"address": server, "model": "m", "timeout_seconds": 5},
            "source": {"address": f"tail:{self.live}"},
            "format": {"kind": "json", "id": "id", "text": "{text}"},
            "cache": {"enabled": False},
            "failure": {"backoff_seconds": 0.05, "max_backoff_seconds": 0.5},
            "sinks": {
                "out": {"address": f"jsonl:{self.out}", "take": "predictions"},
                "dead": {"address": f"jsonl:{self.dead}", "take": "dead_letters"},
            },
            **changes,
        }

    def bridge(self, environment: Mapping[str, str] | None = None) -> BridgeProcess:
        """A bridge that is not started yet."""
        return BridgeProcess(self.folder, self.config, environment)

    def write(self, events: Iterable[str]) -> None:
        """Appends events to the growing file."""
        with self.live.open("a") as file:
            file.writelines(f"{event}\n" for event in events)

    def predicted(self) -> list[str]:
        """The ids in the file of predictions."""
        return [each["event_id"] for each in _objects(self.out)]

    def dead_ids(self) -> list[str]:
        """The ids of the dead letters; of those that never became an event, their position."""
        return [
            (each["event"] or {}).get("event_id") or each["position"]
            for each in _objects(self.dead)
        ]

    def some(self, bridge: BridgeProcess, many: int) -> None:
        """Waits until so many lines of the outputs are there."""
        bridge.wait(lambda: self._size() >= many, _PATIENCE_SECONDS, f"{many} results")

    def _size(self) -> int:
        return _count(self.out) + _count(self.dead)

    def finish(self, bridge: BridgeProcess, sent: int, seconds: float = _PATIENCE_SECONDS) -> None:
        """Waits until so many events have an outcome, and stops the bridge."""

        def all_there() -> bool:
            return self._size() >= sent and len({*self.predicted(), *self.dead_ids()}) >= sent

        bridge.wait(all_there, seconds, f"{sent} events")
        self.stopped(bridge)

    def stopped(self, bridge: BridgeProcess) -> None:
        """SIGTERM; it has to account for all it read."""
        # Before its stream begins a signal just ends it, as it would any program.
        bridge.wait(bridge.runs, 120, "a bridge that runs")
        if bridge.stop():
            raise SystemExit(f"its exit code was not 0: {bridge.said[-1000:]}")

    def outcome(
        self,
        sent: Iterable[str],
        *,
        dead: int = 0,
        predicted: Iterable[str] | None = None,
        duplicates_allowed: bool = True,
    ) -> Outcome:
        """What became of the events with these ids.

        Args:
          sent: ids.
          dead: how many of them have to be dead letters.
          predicted: the ids of predictions, where they are not in the usual file.
          duplicates_allowed: False where the sink upserts or is transactional.
        """
        wanted = set(sent)
        found = Counter(self.predicted() if predicted is None else predicted)
        letters = Counter(self.dead_ids())
        lost = len(wanted - found.keys() - letters.keys())
        strangers = (found.keys() | letters.keys()) - wanted
        twice = sum((found + letters).values()) - len(found.keys() | letters.keys())
        wrong = {
            "lost": lost > 0,
            f"not sent: {sorted(strangers)[:3]}": bool(strangers),
            f"{len(letters)} dead, not {dead}": len(letters) != dead,
            "duplicates": twice > 0 and not duplicates_allowed,
        }
        reason = "; ".join(what for what, is_so in wrong.items() if is_so)
        return Outcome(len(wanted), len(found), len(letters), lost, twice, not reason, reason)


def _count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _objects(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]
