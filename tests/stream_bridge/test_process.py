"""The command as a process: signals, crashes, messages."""

import signal
import subprocess
import sys
import time

import pytest


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def command(*args):
    return subprocess.run(
        [sys.executable, "-m", "stream_bridge", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_sigkill_loses_nothing_and_sigterm_drains(bridge, tmp_path, server):
    log = tmp_path / "app.log"
    server.delay(0.02, method="Predict")
    source = {"address": f"tail:{log}"}
    log.write_text("".join(f"line {i}\n" for i in range(1500)))
    killed = bridge(source=source, batching={"commit_seconds": 0.1}).spawn()
    wait_for(lambda: len(killed.predictions) > 200)
    killed.kill()
    done = len(killed.predictions)
    assert done < 1500
    with log.open("a") as file:
        file.write("".join(f"line {i}\n" for i in range(1500, 1700)))
    again = bridge(source=source).spawn()
    wait_for(lambda: len(again.predictions) > done + 100)
    code, out, err = again.kill(signal.SIGTERM)
    assert code == 0, err
    assert "handed back" not in out
    assert "read " in out
    server.heal()
    rest = bridge(source=source).start()
    wait_for(lambda: rest.status()["state"] != "starting" and rest.status()["backlog_bytes"] == 0)
    assert rest.finish() == 0
    ids = [prediction["event_id"] for prediction in rest.predictions]
    texts = {prediction["event_id"]: prediction["text"] for prediction in rest.predictions}
    assert sorted(texts.values()) == sorted(f"line {i}" for i in range(1700))
    # A crash repeats at most what was written and not yet committed.
    assert len(ids) - len(texts) <= 700


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state_dir: x\nsorce: 1\n", "sorce: there is no such key"),
        ("{", "is not YAML"),
        ("- a", "must hold keys"),
    ],
)
def test_a_wrong_config_is_one_line(tmp_path, text, message):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    done = command("run", "--config", file)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert message in done.stderr
    assert str(file) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_and_check_do_not_need_beam(bridge, tmp_path, server):
    (tmp_path / "x").write_text("")
    it = bridge(source={"address": f"file:{tmp_path}/x"})
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from stream_bridge.__main__ import main\n"
            "from stream_bridge.server_check import check_server\n"
            "assert 'apache_beam' not in sys.modules",
        ],
        capture_output=True,
        text=True,
    )
    assert loaded.returncode == 0, loaded.stderr
    import yaml

    (tmp_path / "c.yaml").write_text(yaml.safe_dump(it.values))
    done = command("check", "--config", tmp_path / "c.yaml")
    assert done.returncode == 0
    assert "model m version 1 is there" in done.stdout
    server.stop()
    done = command("check", "--config", tmp_path / "c.yaml", "--set", "server.timeout_seconds=1")
    assert done.returncode == 2
    assert "does not answer" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_standard_input_is_scored_and_ends_the_run(bridge, tmp_path):
    import yaml

    it = bridge(source={"address": "stdin:"})
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(it.values))
    done = subprocess.run(
        [sys.executable, "-m", "stream_bridge", "run", "--config", str(tmp_path / "c.yaml")],
        input="".join(f"line {i}\n" for i in range(500)) + "last",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("read 501 = predicted 501 + dead 0")
    assert len(it.predictions) == 501
