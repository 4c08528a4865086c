"""The parts of the demo, each with real files and processes."""

import io
import json
import os
import signal
import sys
import time

import pytest
from rich.console import Console

from examples.demo import table
from examples.demo.children import Children
from examples.demo.errors import StepFailed, UsageError
from examples.demo.growing import GrowingLines
from examples.demo.report import report
from examples.demo.scenario import real_log, simulated
from examples.demo.scoreboard import Scoreboard
from examples.demo.workdir import Workdir

ADDRESS = "127.0.0.1:8500"
BGL_LINE = "{label} {n} 2005.06.03 R02 2005-06-03-15.42.50 R02 RAS KERNEL INFO cache parity {n}\n"


def write_rows(path, *rows):
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def prediction(event_id, *, alert, score=0.5, version=7, latency_ms=10.0, text="checkout INFO x"):
    return {
        "event_id": event_id,
        "text": text,
        "version": version,
        "outputs": {"score": score},
        "alert": alert,
        "latency_ms": latency_ms,
    }


def label(event_id, incident=None):
    return {
        "event_id": event_id,
        "label": "anomaly" if incident else "normal",
        "incident": incident,
        "label_time": "2026-01-05T10:00:00.000000Z",
    }


@pytest.fixture
def board(tmp_path):
    """Four of five events scored: a hit, a false alarm, a miss, and one without a label."""
    scenario = simulated(tmp_path, 60, ADDRESS)
    write_rows(scenario.history, label("old", "memory-leak"), label("older"))
    scenario.live.write_text("{}\n" * 5)
    write_rows(
        scenario.predictions,
        prediction("hit", alert=True, score=0.97, text="checkout INFO [pool] waiting=80"),
        prediction("false", alert=True, score=0.6),
        prediction("miss", alert=False, score=0.1, version=8, latency_ms=90.0),
        prediction("unknown", alert=True),
        prediction("hit", alert=True),
    )
    write_rows(scenario.dead_letters, {})
    write_rows(
        scenario.labels,
        label("hit", "disk-full"),
        label("false"),
        label("miss", "memory-leak"),
        label("not scored", "memory-leak"),
    )
    board = Scoreboard(scenario.live, scenario.predictions, scenario.dead_letters, scenario.labels)
    board.look()
    return scenario, board


def test_scoreboard_joins_predictions_and_labels(board):
    scenario, board = board
    judged = board.judged()
    assert (judged.hits, judged.false_alarms, judged.missed) == (1, 1, 1)
    assert (judged.precision, judged.recall) == (0.5, 0.5)
    assert board.judged("disk-full").recall == 1.0
    assert board.judged("memory-leak").recall == 0.0
    assert (board.sent, len(board.scored), board.dead, board.repeated) == (5, 4, 1, 1)
    assert board.versions == {7: 3, 8: 1}
    assert board.latency_ms(0.5) == 10.0
    assert board.latency_ms(0.99) == 90.0
    assert board.alerts == 3
    assert not board.complete, "a label is missing"
    write_rows(scenario.labels, label("unknown"))
    board.look()
    assert board.complete


def test_growing_lines_waits_for_whole_lines(tmp_path):
    path = tmp_path / "f"
    lines = GrowingLines(path)
    assert lines.new() == []
    path.write_bytes(b"one\ntw")
    assert lines.new() == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\n")
    assert lines.new() == [b"two"]
    assert lines.new() == []


def test_plain_lines_say_how_it_stands(board, capsys):
    with table.PlainLines(board[1], every_seconds=0) as view:
        view.show(15, "streaming")
    assert "15 s: 5 sent, 4 scored" in (line := capsys.readouterr().out)
    assert "3 alerts, precision 0.50, recall 0.50 (4 labels), version 7, 8" in line


def test_live_table_shows_the_same_in_a_terminal(board):
    console = Console(file=io.StringIO(), force_terminal=True, width=110)
    with table.LiveTable(board[1], "events", 60, console) as view:
        view.show(15, "streaming")
    screen = console.file.getvalue()
    for text in ("15 s of 60 s", "1 dead letters", "p99", "version 7, 8", "[pool] waiting=80"):
        assert text in screen


def test_report_has_evaluation_alerts_files_and_commands(board):
    scenario, board = board
    card = scenario.workdir / "pipelines" / "events" / "Scorecard" / "9" / "scorecard.json"
    card.parent.mkdir(parents=True)
    figures = {"average_precision": 0.9, "f1": 0.8, "precision": 0.7, "recall": None}
    card.write_text(
        json.dumps(
            {
                "split": "test",
                "counts": {"train": 70, "eval": 10, "test": 20},
                "positives": 3,
                "systems": [
                    {"system": "livebert", **figures},
                    {"system": "unseen-template rule", **figures, "f1": 0.14},
                ],
                "slices": [{"slice": "service=auth", "events": 9, **figures}],
            }
        )
    )
    text = report(scenario, board, 200.4)
    for piece in (
        "20 events, 3 of them anomalies",
        "unseen-template rule 0.90 0.14 0.70 -",
        "service=auth 9 0.90 0.80 0.70 -",
        "4 scored (3 by version 7, 1 by version 8), 1 dead letters, 1 repeated",
        "recall 0.50 (0.00 of the kinds that training had seen, 1.00 of the others)",
        "disk-full no 1 1 1.00",
        "memory-leak yes 1 0 0.00",
        "0.97 [disk-full] checkout INFO [pool] waiting=80",
        "0.60 [false alarm] checkout INFO x",
        "0.10 [missed: memory-leak] checkout INFO x",
        str(scenario.predictions),
        "tfx-pipeline import --config",
        "stream-bridge run --config",
        "The demo took 200 s.",
    ):
        assert piece in " ".join(text.split()), text


def test_a_failing_command_shows_the_end_of_its_log(tmp_path):
    code = "import sys; print('hello'); print('the disk is on fire', file=sys.stderr); sys.exit(4)"
    seen = []
    with Children(tmp_path) as children, pytest.raises(StepFailed) as failed:
        children.run("burn", [sys.executable, "-c", code], seen.append)
    assert seen == ["hello"]
    text = str(failed.value)
    assert "burn failed (exit status 4)" in text
    assert "  | the disk is on fire" in text
    assert str(tmp_path / "burn.log") in text


def test_a_background_command_that_ends_is_noticed(tmp_path):
    with Children(tmp_path) as children, pytest.raises(StepFailed, match="server ended by itself"):
        child = children.start("server", [sys.executable, "-c", "raise SystemExit(1)"])
        children.wait_for(lambda: False, needs=child, what="start", seconds=20)


def test_no_child_nor_grandchild_outlives_the_demo(tmp_path, until):
    # A command that ignores being asked to end would take long; a grandchild must still go.
    code = (
        "import subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    with Children(tmp_path) as children:
        child = children.start("parent", [sys.executable, "-c", code])
        pid = int(until(lambda: child.log.read_text().strip()))
        assert alive(pid)
    assert not child.running
    until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed orphan nobody has waited for yet still has a number.
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_workdir_is_emptied_but_only_if_a_demo_made_it(tmp_path):
    path = tmp_path / "demo"
    with Workdir(path):
        (path / "old").mkdir()
        (path / "old" / "file").touch()
        with pytest.raises(UsageError, match="another demo runs"), Workdir(path):
            pass
    with Workdir(path):
        assert [entry.name for entry in path.iterdir()] == [".livebert-demo"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with (
        pytest.raises(UsageError, match="has files that no demo wrote"),
        Workdir(tmp_path / "mine"),
    ):
        pass
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_configs_are_what_the_commands_accept(tmp_path):
    from stream_bridge.config.loading import load_config
    from tfx_pipeline.config import load

    log = tmp_path / "bgl.log"
    log.write_text("".join(BGL_LINE.format(label="-", n=n) for n in range(300)))
    for name, make in (
        ("events", lambda: simulated(tmp_path, 60, ADDRESS)),
        ("bgl", lambda: real_log(tmp_path, log, 60, ADDRESS)),
    ):
        scenario = make()
        model, bridge = load(scenario.model_config), load_config(scenario.bridge_config)
        assert model.name == bridge.server.model == name
        assert str(model.push_path) == str(scenario.models)
        assert model.data.files == (str(scenario.history),)
        assert bridge.source.address == f"tail:{scenario.live}"
        assert bridge.format.text == model.data.text, "one text for training and for serving"


def test_a_real_log_is_cut_where_the_pipeline_cuts_and_thinned_when_long(tmp_path):
    log = tmp_path / "bgl.log"
    log.write_text("".join(BGL_LINE.format(label="-", n=n) for n in range(5000)))
    scenario = real_log(tmp_path, log, 60, ADDRESS)
    kept = [int(line.rsplit(maxsplit=1)[1]) for line in scenario.history.open()]
    assert len(kept) == 2000
    assert kept == sorted(kept)
    assert kept[-1] > 4900
    assert scenario.stream[scenario.stream.index("--skip") + 1] == "1200"


@pytest.mark.parametrize(
    ("arguments", "says", "status"),
    [
        (("--data", "/nowhere.log"), "--data /nowhere.log: No such file", 2),
        (("--data", "/etc/passwd"), "are in the format of BGL_2k.log", 2),
        (("--seconds", "0"), "between 1 and 3600", 2),
    ],
)
def test_a_mistake_is_one_clear_line(run, arguments, says, status, tmp_path):
    done = run("examples.demo", "--workdir", tmp_path, *arguments)
    assert done.returncode == status
    assert says in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_demo_and_all_it_started(start, tmp_path):
    process = start("examples.demo", "--workdir", tmp_path)
    while "] import" not in process.stdout.readline():
        pass
    time.sleep(0.2)  # in the middle of it
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "everything it started has ended" in err
    assert "Traceback" not in err
