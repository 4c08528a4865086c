"""The faults of `faults.py`: each is a function of a folder and a number of events."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.fault_server import OUTPUTS, ModelProcess, broken, detector, model_server
from benchmarks.fault_trial import Outcome, Trial, lines
from examples.services.kafka import Kafka
from examples.services.postgresql import PostgreSQL
from examples.services.process import install
from examples.services.pubsub import PubSub

Scenario = Callable[[Path, int], Outcome]
_AWAY_SECONDS = 30.0
_DISK_MEGABYTES = 8


def ids(events: int) -> list[str]:
    """The ids of `lines(events)`."""
    return [f"e{i}" for i in range(events)]


def server_killed(folder: Path, events: int) -> Outcome:
    """The model server gets SIGKILL, three times, and is started again."""
    with ModelProcess(folder / "server") as server:
        trial, sent = Trial(folder, server.address), lines(events)
        with trial.bridge() as bridge:
            for part in range(3):
                trial.write(sent[part * events // 3 : (part + 1) * events // 3])
                trial.some(bridge, part * events // 3 + events // 10)
                server.kill()
                time.sleep(1)
                server.start()
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


def server_slow_then_full(folder: Path, events: int) -> Outcome:
    """Half a second a call; then every call refused as one too many; then well again."""
    with model_server() as server:
        trial, sent = Trial(folder, server.address), lines(events)
        with trial.bridge() as bridge:
            trial.write(sent[: events // 2])
            trial.some(bridge, events // 10)
            server.delay(0.5, method="Predict")
            time.sleep(5)
            server.fail("RESOURCE_EXHAUSTED", times=1_000_000, method="Predict")
            trial.write(sent[events // 2 :])
            bridge.wait(lambda: bridge.status().get("waiting_for"), 60, "back-pressure")
            time.sleep(5)
            server.heal()
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


def new_version(folder: Path, events: int) -> Outcome:
    """A second version takes over, and the first one goes."""
    with model_server() as server:
        trial, sent = Trial(folder, server.address), lines(events)
        with trial.bridge() as bridge:
            trial.write(sent[: events // 2])
            trial.some(bridge, events // 4)
            server.add("m", detector, version=2, outputs=OUTPUTS)
            server.set_state("m", 1, "END")
            trial.write(sent[events // 2 :])
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


def broken_new_version(folder: Path, events: int) -> Outcome:
    """A second version that refuses everything takes over, and is taken back after a while."""
    with model_server() as server:
        trial, sent = Trial(folder, server.address), lines(events)
        with trial.bridge() as bridge:
            trial.write(sent[: events // 2])
            trial.some(bridge, events // 4)
            server.add("m", broken, version=2, outputs=OUTPUTS)
            trial.write(sent[events // 2 :])
            bridge.wait(lambda: bridge.status().get("waiting_for"), 60, "back-pressure")
            time.sleep(5)
            server.set_state("m", 2, "END")
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


def bridge_killed(folder: Path, events: int) -> Outcome:
    """SIGKILL for the bridge, three times."""
    with model_server() as server:
        server.delay(0.02, method="Predict")
        trial = Trial(folder, server.address, batching={"commit_seconds": 0.2})
        trial.write(lines(events))
        for part in range(3):
            with trial.bridge() as bridge:
                trial.some(bridge, (part + 1) * events // 5)
                bridge.kill()
        with trial.bridge() as bridge:
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


def bridge_stopped(folder: Path, events: int) -> Outcome:
    """SIGTERM, three times: it drains, so that nothing comes twice."""
    with model_server() as server:
        server.delay(0.02, method="Predict")
        trial = Trial(folder, server.address)
        trial.write(lines(events))
        for part in range(3):
            with trial.bridge() as bridge:
                trial.some(bridge, (part + 1) * events // 5)
                trial.stopped(bridge)
        with trial.bridge() as bridge:
            trial.finish(bridge, events)
        return trial.outcome(ids(events), duplicates_allowed=False)


def kafka_killed(folder: Path, events: int) -> Outcome:
    """A topic to a topic in transactions; broker and bridge get SIGKILL."""
    with model_server() as server, Kafka(folder / "kafka") as kafka:
        source, sink, dead = (kafka.topic(name) for name in ("in", "out", "dead"))
        sinks = {
            "out": {"address": sink, "take": "predictions"},
            "dead": {"address": dead, "take": "dead_letters"},
        }
        trial = Trial(
            folder, server.address, source={"address": source, "group": "faults"}, sinks=sinks
        )
        sent = lines(events)
        kafka.send("in", sent[: events // 2])
        with trial.bridge() as bridge:
            bridge.wait(lambda: (bridge.status().get("out") or 0) >= events // 10, 120, "a start")
            kafka.kill()
            time.sleep(2)
            kafka.start()
            kafka.send("in", sent[events // 2 :])
            bridge.wait(lambda: _offset(kafka) > events // 2, 300, "the second half")
            bridge.kill()
        with trial.bridge() as bridge:
            bridge.wait(lambda: _offset(kafka) >= events, 300, "the end of the topic")
            trial.stopped(bridge)
        found = [dict(m.headers())["event_id"].decode() for m in kafka.messages("out")]
        return trial.outcome(ids(events), predicted=found, duplicates_allowed=False)


def _offset(kafka: Kafka) -> int:
    """How far the group has come. In transactions, the outputs are committed with it."""
    return max(kafka.offsets("faults", "in").values(), default=0)


def pubsub_restarted(folder: Path, events: int) -> Outcome:
    """The Pub/Sub server gets SIGKILL and is started again."""
    with model_server() as server, PubSub(folder / "pubsub") as pubsub:
        address = pubsub.topic("events")
        trial = Trial(folder, server.address, source={"address": address})
        sent = lines(events)
        pubsub.send("events", sent[: events // 2])
        with trial.bridge() as bridge:
            trial.some(bridge, events // 10)
            pubsub.kill()
            time.sleep(2)
            pubsub.start()
            pubsub.send("events", sent[events // 2 :])
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


def sink_away(folder: Path, events: int) -> Outcome:
    """PostgreSQL is away for half a minute; its table is upserted."""
    with model_server() as server, PostgreSQL(folder / "postgresql") as database:
        trial, sent = _into(database, folder, server.address), lines(events)
        with trial.bridge() as bridge:
            trial.write(sent[: events // 2])
            bridge.wait(lambda: (bridge.status().get("out") or 0) >= events // 10, 120, "a start")
            database.kill()
            trial.write(sent[events // 2 :])
            time.sleep(_AWAY_SECONDS)
            database.start()
            _all_out(trial, bridge, events)
        return trial.outcome(ids(events), predicted=_rows(database), duplicates_allowed=False)


def delivered_twice(folder: Path, events: int) -> Outcome:
    """A producer sends every tenth event twice; the table is upserted by event id."""
    with (
        model_server() as server,
        Kafka(folder / "kafka") as kafka,
        PostgreSQL(folder / "postgresql") as database,
    ):
        address = kafka.topic("in")
        trial = _into(
            database, folder, server.address, source={"address": address, "group": "faults"}
        )
        sent = lines(events)
        kafka.send("in", [*sent, *sent[::10]])
        with trial.bridge() as bridge:
            _all_out(trial, bridge, events + len(sent[::10]))
        return trial.outcome(ids(events), predicted=_rows(database), duplicates_allowed=False)


def _into(database: PostgreSQL, folder: Path, server: str, **changes: object) -> Trial:
    sinks = {
        "table": {"address": database.address, "table": "predictions", "take": "predictions"},
        "dead": {"address": f"jsonl:{folder}/dead.jsonl", "take": "dead_letters"},
    }
    return Trial(folder, server, sinks=sinks, **changes)


def _all_out(trial: Trial, bridge: object, events: int) -> None:
    bridge.wait(lambda: (bridge.status().get("out") or 0) >= events, 300, f"{events} events")
    trial.stopped(bridge)


def _rows(database: PostgreSQL) -> list[str]:
    with psycopg.connect(database.address) as connection:
        return [row[0] for row in connection.execute("SELECT event_id FROM predictions")]


def disk_full(folder: Path, events: int) -> Outcome:
    """The file system of the predictions is full in the middle, and is freed later."""
    with model_server() as server, _small_disk(folder / "disk") as disk:
        trial = Trial(folder, server.address)
        trial.out = disk / "out.jsonl"
        trial.config["sinks"]["out"]["address"] = f"jsonl:{trial.out}"
        ballast = disk / "ballast"
        # Room for about a third of the predictions.
        free = shutil.disk_usage(disk).free
        ballast.write_bytes(b"\0" * (free - events * 130))
        trial.write(lines(events))
        with trial.bridge() as bridge:
            bridge.wait(lambda: bridge.status().get("waiting_for"), 120, "a full disk")
            time.sleep(3)
            ballast.unlink()
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, in memory; only root may mount one."""
    if os.geteuid():
        raise SystemExit("run it as root: it mounts a small file system")
    folder.mkdir()
    size = f"size={_DISK_MEGABYTES}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)  # noqa: S603, S607
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607


def poison(folder: Path, events: int) -> Outcome:
    """One event of a hundred is refused by the model: it alone is a dead letter."""
    with model_server() as server:
        trial = Trial(folder, server.address)
        sent = lines(events, poison=100)
        trial.write(sent)
        with trial.bridge() as bridge:
            trial.finish(bridge, events)
        return trial.outcome(ids(events), dead=sum("poison" in line for line in sent))


def clock_jumps(folder: Path, events: int) -> Outcome:
    """The bridge's time of day jumps a day ahead, and two back."""
    install("faketime")
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    clock = folder / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with model_server() as server:
        trial, sent = Trial(folder, server.address), lines(events)
        with trial.bridge(faked) as bridge:
            for part, jump in enumerate(("+1d", "-1d", "+0")):
                trial.write(sent[part * events // 3 : (part + 1) * events // 3])
                trial.some(bridge, part * events // 3 + events // 10)
                clock.write_text(jump)
                time.sleep(2)
            trial.finish(bridge, events)
        return trial.outcome(ids(events))


SCENARIOS: dict[str, Scenario] = {
    "server killed": server_killed,
    "server slow, then full": server_slow_then_full,
    "new version": new_version,
    "broken new version": broken_new_version,
    "bridge killed": bridge_killed,
    "bridge stopped": bridge_stopped,
    "Kafka and bridge killed": kafka_killed,
    "Pub/Sub killed": pubsub_restarted,
    "sink away": sink_away,
    "disk full": disk_full,
    "poison": poison,
    "clock jumps": clock_jumps,
    "delivered twice": delivered_twice,
}
