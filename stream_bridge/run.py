"""`stream-bridge run`: starts a bridge, keeps it running, accounts for every line at the end."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from stream_bridge.config.bridge import BridgeConfig
from stream_bridge.config.kafka import KafkaSource
from stream_bridge.ends_check import check_source
from stream_bridge.errors import FINAL, Abandoned, BridgeError, SourceAway
from stream_bridge.housekeeping import Housekeeper, Signals
from stream_bridge.job_server import job_server
from stream_bridge.metrics import Snapshot
from stream_bridge.runtime import Runtime
from stream_bridge.server_check import wait_for_server
from stream_bridge.shadow import compared
from stream_bridge.sources.feeders import feeder_of
from stream_bridge.state import StateDir, instance_name

_LOG = logging.getLogger(__name__)
_RESTART_SECONDS = 0.5
# Objects made before Python looks for cycles; by default it is 700, the events of a moment.
_COLLECT_AFTER = 50_000


def run(
    config: BridgeConfig,
    *,
    from_start: bool = False,
    show: Callable[[dict[str, Any]], None] | None = None,
    say: Callable[[str], None] = print,
    stop: threading.Event | None = None,
) -> int:
    """Runs a bridge until its source ends, a limit is reached or it is told to stop.

    Args:
      config: the bridge.
      from_start: forget the source's kept position.
      show: gets the status about each second.
      say: gets lines for people, the closing account among them.
      stop: once set, the bridge drains; signals do the same where this is the main thread.

    Returns the exit code: 0 when every line that was read is accounted for. Raises BridgeError.
    """
    with ExitStack() as stack:
        state = stack.enter_context(StateDir(config.state_dir))
        _prepare(config, state, from_start)
        runtime = stack.enter_context(Runtime(config, state, stop))
        listening = _start_spooling(runtime, stack)
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(Signals(runtime))
        keeper = stack.enter_context(Housekeeper(runtime, listening, show))
        streaming = False
        try:
            # Opened here first: a source that is not there is a clear line, no failed pipeline.
            if not config.java_reads and runtime.source_at(runtime.committed_position()).done:
                say(f"nothing new in {config.source.address}; --from-start reads it again")
            if config.windows is not None and config.engine == "local":
                say("the local engine's windows fire only when the source ends")
            wait_for_server(runtime)
            # Beam takes seconds to import: only now, when everything that can be said before is.
            from stream_bridge.engines import run_pipeline

            keeper.begin()
            streaming = True
            with _seldom_collecting():
                _supervise(runtime, run_pipeline)
        except Abandoned:
            pass
        except BaseException:
            keeper.state = "failed"
            raise
        finally:
            runtime.metrics.given_up()
            snapshot = runtime.metrics.snapshot()
            if streaming:
                say(account(snapshot))
                if runtime.scoring.shadow is not None:
                    say(compared(runtime.scoring.shadow.comparison()))
        keeper.state = "stopped"
    return 0 if snapshot.read == snapshot.counts.lines else 1


def _prepare(config: BridgeConfig, state: StateDir, from_start: bool) -> None:
    """What can be said of engine, source and position, before anything is started."""
    if config.engine != "local":
        job_server(config)
    if from_start:
        state.forget(config.source.address)
    try:
        check_source(config)
    except SourceAway as error:
        _LOG.warning("waiting: %s", error)
    if from_start and isinstance(config.source, KafkaSource):
        from stream_bridge.sources.kafka import forget_offsets

        forget_offsets(config.source, instance_name(config.state_dir))


def _start_spooling(runtime: Runtime, stack: ExitStack) -> str | None:
    """Starts what feeds the spool, where the source has one; returns where it listens."""
    config = runtime.config
    feeder = feeder_of(
        config.source, config.state_dir, config.limits.max_line_bytes, runtime.input_ended
    )
    return stack.enter_context(feeder).listening if feeder is not None else None


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Events hold no cycles and live for one bundle: looking at each often costs a fifth more."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, 50, before[2])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _supervise(runtime: Runtime, run_pipeline: Callable[[Runtime], None]) -> None:
    """Runs the pipeline, and starts it again from the committed position when it fails."""
    failures, progress = 0, 0
    while True:
        try:
            return run_pipeline(runtime)
        except FINAL:
            raise
        except Exception as error:
            _LOG.error("the pipeline failed", exc_info=error)
            read = runtime.metrics.snapshot().read
            failures = 1 if read > progress else failures + 1
            progress = read
            if failures > runtime.config.failure.restarts or runtime.draining.is_set():
                if isinstance(error, BridgeError):
                    raise
                raise BridgeError(
                    f"the pipeline failed {failures} times without progress: {error!r:.300}; "
                    f"see {runtime.config.state_dir / 'bridge.log'}"
                ) from error
            runtime.begin_again()
            time.sleep(_RESTART_SECONDS)


def account(snapshot: Snapshot) -> str:
    """The line that accounts for every line that was read."""
    counts = snapshot.counts
    text = f"read {snapshot.read} = predicted {counts.predicted} + dead {counts.dead}"
    if counts.dropped:
        text += f" + rules-dropped {counts.rules_dropped}"
    if counts.skipped:
        text += f" + skipped {counts.skipped}"
    if snapshot.read != counts.lines:
        text += f"  DOES NOT ADD UP: {snapshot.read - counts.lines:+d}"
    text += f"; alerts {counts.alerts}"
    if counts.suppressed:
        text += f" ({counts.suppressed} repeated ones suppressed)"
    if counts.review:
        text += f"; to review {counts.review}"
    if counts.versions:
        versions = ", ".join(f"{v}: {n}" for v, n in sorted(counts.versions.items()))
        text += f"; by version {versions}"
    if snapshot.windows:
        text += f"; windows {snapshot.windows}"
    if snapshot.too_late:
        text += f"; {snapshot.too_late} too late for their windows"
    if snapshot.handed_back:
        text += f"; {snapshot.handed_back} handed back unfinished, they will be read again"
    return text
