"""The chain, step by step: simulate, import, train, serve, stream."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving_client import Client, ServingError

from .children import Child, Children
from .scenario import Scenario, shown
from .scoreboard import Scoreboard
from .steps import Steps, indented
from .table import open_view

_LOOK_EVERY_SECONDS = 0.25
_START_SECONDS = 120.0
_CATCH_UP_SECONDS = 60.0


@dataclass(frozen=True)
class Commands:
    """The commands of the chain, as a person would type them."""

    imports: tuple[str, ...]
    train: tuple[str, ...]
    serve: tuple[str, ...]
    bridge: tuple[str, ...]
    ask: tuple[str, ...]


def commands(scenario: Scenario) -> Commands:
    """The commands of a scenario; each is also what the demo runs."""
    port = scenario.address.rpartition(":")[2]
    model = ("--config", str(scenario.model_config))
    return Commands(
        imports=(_program("tfx-pipeline"), "import", *model),
        train=(_program("tfx-pipeline"), "run", *model),
        serve=(
            *(_program("model-server"), f"--port={port}", f"--model_name={scenario.model}"),
            f"--model_base_path={scenario.models.resolve()}",
        ),
        bridge=(_program("stream-bridge"), "run", "--config", str(scenario.bridge_config)),
        ask=(_program("serving-client"), "predict", "--address", scenario.address, scenario.model),
    )


def conduct(scenario: Scenario, seconds: float, children: Children, steps: Steps) -> Scoreboard:
    """Run the chain; what the live stream came to, once everything that was sent is scored."""
    run = commands(scenario)
    if scenario.make_history:
        with steps.step("simulate a fleet and its incidents", shown(scenario.make_history)):
            children.run("simulate", scenario.make_history, indented)
    with steps.step("import the labelled events as a span", shown(run.imports)):
        children.run("import", run.imports, indented)
    with steps.step("fine-tune BERT, evaluate, bless, push", shown(run.train)):
        children.run("train", run.train, indented)
    with steps.step("serve the blessed model", shown(run.serve)):
        server = children.start("server", run.serve)
        with Client(scenario.address) as client:
            children.wait_for(
                lambda: _available(client, scenario.model),
                needs=server,
                what="load the model",
                seconds=_START_SECONDS,
            )
    with steps.step("score live events", shown(run.bridge)):
        return score_live(scenario, seconds, children, server)


def score_live(
    scenario: Scenario, seconds: float, children: Children, *needed: Child
) -> Scoreboard:
    """Start the bridge and the events, and show what comes of them; `needed` must keep running."""
    bridge = children.start("bridge", commands(scenario).bridge)
    children.wait_for(
        lambda: _status(scenario).get("state") == "running",
        needs=bridge,
        what="start",
        seconds=_START_SECONDS,
    )
    indented(f"$ {shown(scenario.stream)}")
    stream = children.start("stream", scenario.stream)
    board = Scoreboard(scenario.live, scenario.predictions, scenario.dead_letters, scenario.labels)
    began = time.monotonic()
    with open_view(board, scenario.model, seconds) as view:
        while stream.running or not board.complete:
            passed = time.monotonic() - began
            board.look()
            view.show(passed, "streaming" if passed < seconds else "the last labels arrive")
            children.check(*needed, bridge)
            if not stream.running and stream.status != 0:
                raise stream.failed(f"failed (exit status {stream.status})")
            if passed > seconds + _CATCH_UP_SECONDS and not board.complete:
                missing = board.sent - len(board.scored) - board.dead
                raise bridge.failed(f"left {missing} of {board.sent} events without an outcome")
            time.sleep(_LOOK_EVERY_SECONDS)
        board.look()
        view.show(time.monotonic() - began, "done")
    children.end(bridge)
    indented(f"stream-bridge: {bridge.last_line()}")
    return board


def _status(scenario: Scenario) -> dict[str, Any]:
    """What the bridge says it is doing; empty before it says anything."""
    try:
        return json.loads((scenario.workdir / "bridge" / "status.json").read_text())
    except FileNotFoundError:
        return {}


def _available(client: Client, model: str) -> bool:
    try:
        return any(version.state == "AVAILABLE" for version in client.status(model, timeout=1.0))
    except ServingError:
        return False  # not listening yet, or not loaded yet


def _program(name: str) -> str:
    """The console script beside this Python, so that the demo needs no activated environment."""
    return str(Path(sys.executable).with_name(name))
