"""Starting, swapping versions, and stopping."""

import json
import socket
import subprocess
import sys
import threading

import pytest

from serving_client import protos
from serving_client.services import GET_MODEL_STATUS, PREDICT

X = {"x": [[0.0]]}
POLL = "--file_system_poll_wait_seconds=1"


def _spin(api, steps):
    proto = protos.TensorProto(dtype=3, int_val=[steps])
    proto.tensor_shape.SetInParent()
    return api.predict("half", {"steps": proto}, signature="spin")


def _states(server, api, name="half"):
    answer = server.call(GET_MODEL_STATUS, protos.GetModelStatusRequest(model_spec=api.spec(name)))
    return {e.version: (e.state, e.status.error_message) for e in answer.model_version_status}


def test_a_new_version_takes_over_and_running_calls_keep_theirs(place, start, api, tmp_path):
    place("half/1", tmp_path / "half", 1)
    server = start("--model_name=half", f"--model_base_path={tmp_path}/half", POLL)
    slow = server.channel.unary_unary(
        PREDICT.path,
        request_serializer=protos.PredictRequest.SerializeToString,
        response_deserializer=protos.PredictResponse.FromString,
    ).future(_spin(api, 4000), timeout=60)
    failed = []
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            try:
                server.call(PREDICT, api.predict("half", X))
            except Exception as error:
                failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    place("half/2", tmp_path / "half", 2)
    server.wait_for(r"Successfully loaded servable version \{name: half version: 2\}")
    assert server.call(PREDICT, api.predict("half", X)).model_spec.version.value == 2
    assert slow.result().model_spec.version.value == 1
    server.wait_for(r"(?:Unloaded|Done unloading) servable version \{name: half version: 1\}")
    stop.set()
    asking.join()
    assert not failed
    assert {v: s[0] for v, s in _states(server, api).items()} == {2: 30, 1: 50}


def test_a_broken_version_is_reported_and_the_old_one_goes_on(place, start, api, tmp_path):
    place("half/1", tmp_path / "half", 1)
    server = start(
        "--model_name=half",
        f"--model_base_path={tmp_path}/half",
        "--max_num_load_retries=1",
        "--load_retry_interval_micros=1000",
        POLL,
    )
    (tmp_path / "half" / "2").mkdir()
    server.wait_for(r"Servable \{name: half version: 2\} cannot be loaded: NOT_FOUND")
    states = _states(server, api)
    assert states[1] == (30, "")
    assert states[2][0] == 50
    assert states[2][1].startswith("Specified file path does not appear to contain a SavedModel")
    assert server.call(PREDICT, api.predict("half", X)).model_spec.version.value == 1
    (tmp_path / "half" / "2").rmdir()
    place("half/2", tmp_path / "half", 3)
    server.wait_for(r"Successfully loaded servable version \{name: half version: 3\}")


def test_versions_removed_from_disk_are_unloaded(place, start, api, refused, tmp_path):
    path = place("half/1", tmp_path / "half", 7)
    server = start("--model_name=half", f"--model_base_path={tmp_path}/half", POLL)
    path.rename(tmp_path / "gone")
    server.wait_for(r"(?:Unloaded|Done unloading) servable version \{name: half version: 7\}")
    with refused("NOT_FOUND", "Servable not found for request: Latest(half)"):
        server.call(PREDICT, api.predict("half", X))
    place("half/2", tmp_path / "half", 7)
    server.wait_for(r"half version: 7\} in [\s\S]*")


def test_it_waits_for_the_first_version(place, start, api, tmp_path):
    (tmp_path / "half").mkdir()
    server = start("--model_name=half", f"--model_base_path={tmp_path}/half", POLL, ready=False)
    server.wait_for("No versions of servable half found under base path")
    place("half/1", tmp_path / "half", 1)
    server.wait_for("Running gRPC ModelServer at 127.0.0.1:")


@pytest.mark.ours("SIGTERM drains")
def test_sigterm_lets_running_calls_finish(models, start, api):
    server = start("--model_name=half", f"--model_base_path={models}/half")
    slow = server.channel.unary_unary(
        PREDICT.path,
        request_serializer=protos.PredictRequest.SerializeToString,
        response_deserializer=protos.PredictResponse.FromString,
    ).future(_spin(api, 3000), timeout=60)
    server.call(PREDICT, api.predict("half", X))  # the channel is up, the slow call is in
    server.stop(expect=0)
    assert slow.result().model_spec.version.value == 2


@pytest.mark.ours("SIGTERM drains")
def test_unix_socket(models, start, api, tmp_path):
    import grpc

    path = tmp_path / "s"
    server = start(
        "--model_name=half", f"--model_base_path={models}/half", f"--grpc_socket_path={path}"
    )
    server.wait_for(f"Running gRPC ModelServer at UNIX socket {path} ...")
    server.channel = grpc.insecure_channel(f"unix:{path}")
    assert server.call(PREDICT, api.predict("half", X)).outputs
    server.stop()
    assert not path.exists()


def test_a_second_server_takes_the_unix_socket_over(models, start, api, tmp_path):
    import grpc

    flags = ("--model_name=half", f"--model_base_path={models}/half")
    path = tmp_path / "s"
    with start(*flags, f"--grpc_socket_path={path}") as first:
        second = start(*flags, f"--grpc_socket_path={path}")
        first.kill()
        second.channel = grpc.insecure_channel(f"unix:{path}")
        assert second.call(PREDICT, api.predict("half", X)).outputs


@pytest.mark.ours("logs as JSON")
def test_log_lines_as_json(models, start):
    server = start("--model_name=half", f"--model_base_path={models}/half", "--log_format=json")
    line = json.loads(server.wait_for(r"\{.*Successfully loaded.*\}")[0])
    assert set(line) == {"time", "level", "module", "message"}


def _run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "model_server", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.ours("one line and its remedy")
@pytest.mark.parametrize(
    ("arguments", "says", "helps"),
    [
        ([], "Both server_options.model_base_path and", "set --model_base_path"),
        (
            ["--model_base_path=relative"],
            "Expected model default to have an absolute path",
            "use absolute paths",
        ),
        (
            ["--model_base_path=/nowhere/at/all"],
            "No such file or directory",
            "create the directory",
        ),
        (
            ["--port=0", "--model_base_path=/tmp"],
            "At least one of server_options.grpc_port",
            "--port",
        ),
        (
            ["--use_alts_credentials"],
            "--use_alts_credentials is not supported",
            "--ssl_config_file",
        ),
    ],
)
def test_cannot_start(arguments, says, helps):
    done = _run(*arguments)
    assert done.returncode == 255
    assert done.stdout.startswith("Failed to start server. Error: ")
    assert says in done.stdout
    assert helps in done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.ours("one line and its remedy")
def test_a_port_in_use(models):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run(f"--port={port}", f"--model_base_path={models}/half")
    assert done.returncode == 255
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stdout
    assert "choose another with --port" in done.stderr


@pytest.mark.ours("one line and its remedy")
def test_a_rest_port_that_cannot_be_had(models):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, other = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        flags = (f"--port={other}", f"--model_base_path={models}/half")
        done = _run(*flags, f"--rest_api_port={port}")
        assert done.returncode == 255
        assert f"cannot listen on 127.0.0.1:{port}" in done.stdout
        done = _run(*flags, f"--rest_api_port={other}")
    assert done.returncode == 255
    assert f"--rest_api_port and --port are both {other}" in done.stdout


@pytest.mark.ours("one line and its remedy")
def test_a_broken_model_at_start(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").write_bytes(b"not a model")
    done = _run(
        "--choose_free_ports", "--max_num_load_retries=0", f"--model_base_path={tmp_path}/m"
    )
    assert done.returncode == 255
    assert (
        "Error: UNKNOWN: 1 servable(s) did not become available: {{{name: default version: 1}"
        in (done.stdout)
    )
    assert "export the model again" in done.stderr


@pytest.mark.ours("one line and its remedy")
def test_values_that_do_not_parse_print_the_usage():
    for argument in ("--port=abc", "--help", "--enable_batching=1", "--port=99999999999"):
        done = _run(argument)
        assert done.returncode == 255
        assert "--model_base_path=" in done.stdout


@pytest.mark.ours("one line and its remedy")
def test_an_unknown_argument_is_named_and_the_server_goes_on():
    done = _run("--no_such_flag=1", "--model_name", "stray")
    words = ("--no_such_flag=1", "--model_name", "stray")
    assert done.stdout.splitlines()[:3] == [f"unknown argument: {word}" for word in words]
    assert "Failed to start server." in done.stdout


@pytest.mark.ours("one line and its remedy")
def test_version():
    done = _run("--version")
    assert done.returncode == 0
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "TensorFlow ModelServer",
        "TensorFlow Library",
    ]
