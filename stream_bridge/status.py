"""The status file: what the bridge is doing, for programs that watch it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from stream_bridge.metrics import Snapshot
from stream_bridge.runtime import Runtime
from stream_bridge.state import write_atomically
from stream_bridge.timestamps import now, to_iso


def describe(
    runtime: Runtime,
    snapshot: Snapshot,
    state: str,
    started: int,
    listening: str | None,
    monitoring: str | None,
) -> dict[str, Any]:
    """The status as a JSON object; docs/events.md lists its keys."""
    counts, cache = snapshot.counts, runtime.scoring.cache
    return {
        "state": state,
        "in": snapshot.read + snapshot.waiting,
        "out": counts.predicted,
        "alerts": counts.alerts,
        "dead": counts.dead,
        "skipped": counts.skipped,
        "suppressed": counts.suppressed,
        "review": counts.review,
        "dropped": dict(counts.dropped),
        "rules": dict(counts.ruled),
        "rule_failures": runtime.rule_failures.counts(),
        "shadow": _shadow(runtime),
        "windows": snapshot.windows,
        "too_late": snapshot.too_late,
        "waiting": snapshot.waiting,
        "handed_back": snapshot.handed_back,
        "backlog_bytes": runtime.backlog_bytes(),
        "backlog_events": runtime.backlog_events(),
        "events_per_second": round(snapshot.events_per_second, 1),
        "latency_ms": {"p50": snapshot.p50_ms, "p99": snapshot.p99_ms},
        "stages_ms": snapshot.stages_ms,
        "versions": {str(version): n for version, n in sorted(counts.versions.items())},
        "last_version": snapshot.last_version,
        "dead_codes": dict(counts.dead_codes),
        "cache": asdict(cache.counts()) if cache else None,
        "waiting_for": snapshot.waiting_for,
        "model": runtime.config.server.model,
        "server": runtime.config.server.address,
        "source": runtime.config.source.address,
        "listening": listening,
        "monitoring": monitoring,
        "engine": runtime.config.engine,
        "engine_counts": runtime.engine_counts,
        "pid": os.getpid(),
        "started": to_iso(started),
        "updated": to_iso(now()),
    }


def _shadow(runtime: Runtime) -> dict[str, Any] | None:
    if runtime.scoring.shadow is None:
        return None
    comparison = runtime.scoring.shadow.comparison()
    return {**asdict(comparison), "score_shift": comparison.score_shift}


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replaces the status file; a reader sees the old or the new one, never half."""
    write_atomically(path, orjson.dumps(status, option=orjson.OPT_INDENT_2), sync=False)
