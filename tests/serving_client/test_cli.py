"""The command line against a real server: output, exit codes, one clear line for a mistake."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from serving_client.cli.commands import run
from serving_client.examples import from_example


@pytest.fixture
def cli(server, capsys):
    def call(*argv):
        code = run([str(a) for a in argv], {"SERVING_ADDRESS": server.address})
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return call


def test_predict_texts(cli):
    code, lines, err = cli("predict", "shout", "hey", "ünï")
    assert (code, err) == (0, "")
    assert lines == [
        {"outputs": {"loud": "HEY"}, "model": "shout", "version": 2},
        {"outputs": {"loud": "üNï"}, "model": "shout", "version": 2},
    ]


def test_predict_json_file_and_stdin(cli, tmp_path, monkeypatch):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"x": [1, 2, 3]}\n\n{"x": [0, 0, 1]}\n')
    code, lines, _ = cli("predict", "double", "--json", "--file", rows, "--output", "sum")
    assert code == 0
    assert [line["outputs"] for line in lines] == [{"sum": 6.0}, {"sum": 1.0}]
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb\n"))
    code, lines, _ = cli("predict", "shout")
    assert [line["outputs"]["loud"] for line in lines] == ["A", "B"]
    code, lines, _ = cli("predict", "shout", "--json", '{"b64": "/w=="}')
    assert lines[0]["outputs"]["loud"] == {"b64": "/w=="}


def test_items_that_fail_have_their_own_line(cli, server):
    from serving_client import InvalidArgumentError

    def picky(inputs):
        if b"bad" in inputs["text"].tolist():
            raise InvalidArgumentError("a bad row")
        return {"n": [1] * len(inputs["text"])}

    server.add("picky", picky)
    code, lines, err = cli("predict", "picky", "good", "bad")
    assert code == 1
    assert lines[0]["outputs"] == {"n": 1}
    assert lines[1] == {"error": {"code": "INVALID_ARGUMENT", "message": "a bad row"}}
    assert err == "serving-client: 1 of 2 items failed\n"


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("predict", "nope", "x"), 4, "NOT_FOUND"),
        (("predict", "shout", "--json", "{"), 3, "item 1 is not JSON"),
        (("predict", "shout", "--file", "/nonexistent"), 3, "cannot read /nonexistent: No such"),
        (("predict", "shout", "a", "--file", "b"), 3, "not both"),
        (("predict", "shout", "a", "--signature", "s"), 3, "no signature 's'"),
        (("predict", "shout", "a", "--address", "nonsense"), 3, "not an address"),
        (("predict", "shout", "a", "--header", "x"), 3, "NAME=VALUE"),
        (("status", "nope"), 4, "Could not find any versions of model nope"),
        (("wait", "nope", "--timeout", "0.3"), 5, "did not become available"),
        (
            ("status", "m", "--address", "localhost:1", "--timeout", "0.3"),
            5,
            "help: is a model server running at localhost:1?",
        ),
        (("reload", "/nonexistent"), 3, "cannot read"),
        (("label", "m", "stable", "--config", "x"), 3, "--remove"),
        (("predict", "shout", "a", "--header", "x=@/nonexistent"), 3, "cannot read /nonexistent"),
        (("predict", "shout", "--file", "/"), 3, "cannot read /: Is a directory"),
        (("classify", "shout", "7"), 3, "not a JSON object of features"),
        (("bench", "shout", "x", "--concurrency", "0"), 3, "must be positive"),
    ],
)
def test_mistakes_are_one_line_and_a_code(cli, argv, code, message):
    got, lines, err = cli(*argv)
    assert got == code
    assert lines == []
    assert message in err
    assert "Traceback" not in err


def test_wrong_usage_is_exit_code_2(cli, capsys):
    with pytest.raises(SystemExit) as caught:
        cli("predict")
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_status_wait_metadata(cli, server, capsys):
    _, lines, _ = cli("status", "shout")
    assert lines == [{"version": 2, "state": "AVAILABLE", "error_code": "OK", "error_message": ""}]
    assert cli("wait", "shout", "--version", "2")[:2] == (0, lines)
    _, (found,), _ = cli("metadata", "double", "--json")
    assert found["signatures"]["serving_default"]["inputs"]["x"] == {
        "dtype": "float",
        "shape": [None, 3],
        "optional": False,
    }
    assert run(["metadata", "double", "--address", server.address], {}) == 0
    assert "serving_default(x: float[?,3])" in capsys.readouterr().out


def test_classify_and_regress(cli, server):
    def classes(inputs):
        n = len(inputs["inputs"])
        return {"classes": [["a", "b"]] * n, "scores": [[0.25, 0.75]] * n}

    def value(inputs):
        return {"outputs": [from_example(raw)["x"][0] for raw in inputs["inputs"]]}

    spec = {"inputs": "string[?]"}
    server.add("m", classes, inputs=spec, method="classify")
    server.add("m", value, inputs=spec, method="regress", signature="regress")
    _, lines, _ = cli("classify", "m", '{"text": "hey"}')
    assert lines[0]["classes"][1] == {"label": "b", "score": 0.75}
    _, lines, _ = cli(
        "regress", "m", "{}", '{"x": 2.5}', "--context", '{"x": 1.5}', "--signature", "regress"
    )
    assert [line["value"] for line in lines] == [1.5, 2.5]


def test_reload_and_label_keep_the_config_file(cli, server, tmp_path):
    for version in (1, 2):
        server.add("m", lambda _, v=version: {"v": [v]}, version=version)
    config = tmp_path / "models.config"
    config.write_text(
        'model_config_list { config { name: "m" base_path: "/m" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    assert cli("reload", config)[:2] == (0, [{"reloaded": True, "metrics": {}}])
    code, lines, _ = cli("label", "m", "stable", "2", "--config", config)
    assert (code, lines) == (0, [{"model": "m", "labels": {"stable": 2}}])
    assert cli("predict", "m", "x", "--label", "stable")[1][0]["version"] == 2
    before = config.read_text()
    code, _, err = cli("label", "m", "stable", "9", "--config", config)
    assert code == 3
    assert "not currently available" in err
    assert config.read_text() == before
    assert list(tmp_path.iterdir()) == [config]
    assert cli("label", "m", "stable", "--remove", "--config", config)[1][0]["labels"] == {}


@pytest.mark.parametrize("load", [("--concurrency", "4"), ("--rate", "100")])
def test_bench(cli, server, load):
    code, (report,), _ = cli(
        "bench", "shout", "a", "b", *load, "--seconds", "0.5", "--warmup", "0.1",
        "--batch-size", "2", "--report", "json",
    )  # fmt: skip
    assert code == 0
    assert report["calls"] > 10
    assert report["items_per_second"] == pytest.approx(2 * report["calls_per_second"], rel=0.01)
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["max"]
    assert sum(count for _, count in report["histogram_ms"]) == report["calls"]
    if load[0] == "--rate":
        assert report["calls"] == pytest.approx(50, abs=8)


def test_bench_counts_waiting_at_a_fixed_rate(server, capsys):
    server.delay(0.3, method="Predict")
    argv = ["bench", "shout", "a", "--rate", "20", "--seconds", "0.6", "--warmup", "0"]
    assert run([*argv, "--address", server.address], {}) == 0
    out = capsys.readouterr().out
    assert "calls/s" in out
    assert "p99" in out


def test_bench_reports_failures_by_code():
    from serving_client.bench import Load
    from serving_client.bench import run as apply
    from serving_client.errors import NotFoundError

    def call(number):
        time.sleep(0.001)
        if number % 2:
            raise NotFoundError("gone")

    report = apply(Load(concurrency=2, seconds=0.6, warmup_seconds=0), call)
    assert report.errors["NOT_FOUND"] > 1
    assert "failed with NOT_FOUND" in report.as_table()


def test_a_header_may_come_from_a_file(cli, server, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("Bearer abc\n")
    assert cli("predict", "shout", "x", "--header", f"authorization=@{secret}")[0] == 0
    assert server.calls[-1].headers["authorization"] == "Bearer abc"


def on_a_terminal(*argv):
    """Run with stderr on a terminal of its own; the process and the terminal's other end."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "serving_client", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    return process, ours


def read_all(terminal):
    shown = b""
    with contextlib.suppress(OSError):  # how the end of a terminal looks
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    return shown.decode()


def test_a_bar_on_a_terminal(server, tmp_path):
    texts = tmp_path / "texts"
    texts.write_text("some text\n" * 300)
    server.delay(0.05, method="Predict")
    process, terminal = on_a_terminal(
        "predict", "shout", "--file", str(texts), "--address", server.address,
        "--batch-size", "4", "--in-flight", "2",
    )  # fmt: skip
    lines = process.stdout.read().splitlines()
    shown = read_all(terminal)
    process.stdout.close()
    assert process.wait() == 0
    assert len(lines) == 300
    assert re.search(r"\[#+\.+\] \d+ done, 0 failed, \d+/s, about \d+ s left", shown)
    assert shown.endswith("\r\x1b[K")  # the bar is gone in the end


def test_ctrl_c_ends_at_once(server):
    server.delay(20, method="Predict")
    process, terminal = on_a_terminal("predict", "shout", "x", "--address", server.address)
    deadline = time.monotonic() + 30
    while not any(call.method == "Predict" for call in server.calls):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert "Traceback" not in read_all(terminal)
    process.stdout.close()


def test_ctrl_c_ends_a_bench_with_a_report(server):
    process, terminal = on_a_terminal(
        "bench", "shout", "x", "--address", server.address, "--seconds", "60", "--warmup", "0",
        "--report", "json",
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while len(server.calls) < 100:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    report = json.loads(process.stdout.read())
    process.stdout.close()
    assert process.wait(timeout=10) == 130
    assert report["calls"] > 10
    assert report["seconds"] < 40
    assert "Traceback" not in read_all(terminal)


def test_bytes_that_are_no_text_do_not_end_a_run(server):
    done = subprocess.run(
        [sys.executable, "-m", "serving_client", "predict", "shout", "--address", server.address],
        input=b"caf\xc3\xa9\n\xff\xfe\n",
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["outputs"]["loud"] for line in done.stdout.decode().splitlines()]
    assert found == ["CAFé", "\ufffd\ufffd"]


def test_as_a_process(server):
    done = subprocess.run(
        [sys.executable, "-m", "serving_client", "predict", "shout", "--address", server.address],
        input="one\ntwo\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert [json.loads(line)["outputs"]["loud"] for line in done.stdout.splitlines()] == [
        "ONE",
        "TWO",
    ]
    away = subprocess.run(
        [sys.executable, "-m", "serving_client", "status", "m", "--address", "localhost:1",
         "--timeout", "0.5"],
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert away.returncode == 5
    assert away.stderr.count("\n") == 2
