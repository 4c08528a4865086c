"""The health service: once asked, and watched while models come and go."""

import json
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest
import yaml

from model_server.flags import parse
from model_server.health import Health
from model_server.versions.states import Board
from serving_client import protos
from serving_client.services import HANDLE_RELOAD_CONFIG, HEALTH_CHECK

DEPLOY = Path(__file__).parents[2] / "deploy"
FLAGS = ("--enable_grpc_healthcheck_service", "--file_system_poll_wait_seconds=1")


class Watch:
    """What a `Watch` call says, as it comes."""

    def __init__(self, server, service):
        call = server.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=protos.HealthCheckRequest.SerializeToString,
            response_deserializer=protos.HealthCheckResponse.FromString,
        )
        self.call = call(protos.HealthCheckRequest(service=service), timeout=120)
        self._heard = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            for answer in self.call:
                self._heard.put(protos.ServingStatus.Name(answer.status))
        except grpc.RpcError as error:
            self._heard.put(error.code().name)
        self._heard.put("end")

    def next(self):
        return self._heard.get(timeout=60)


def check(server, service):
    answer = server.call(HEALTH_CHECK, protos.HealthCheckRequest(service=service))
    return protos.ServingStatus.Name(answer.status)


@pytest.mark.ours("SIGTERM drains")
def test_the_servers_own_names_serve_until_it_stops(models, start):
    names = ("", "ModelService", "PredictionService")
    with start("--model_name=half", f"--model_base_path={models}/half", *FLAGS) as server:
        assert {check(server, name) for name in names} == {"SERVING"}
        watches = [Watch(server, name) for name in names]
        assert {watch.next() for watch in watches} == {"SERVING"}
        server.stop(expect=0)  # at once: a watcher does not hold it up
        for watch in watches:
            assert (watch.next(), watch.next()) == ("NOT_SERVING", "end")


@pytest.mark.ours("SIGTERM drains")
def test_a_watcher_that_was_just_told_hears_of_the_stop_too():
    class Caller:
        def is_active(self):
            return True

        def add_callback(self, _):
            return True

    health = Health(Board())
    watch = next(handler for _, name, handler in health.handlers() if name == "Watch")
    said = watch.unary_stream(protos.HealthCheckRequest(), Caller())
    assert next(said).status == protos.ServingStatus.Value("SERVING")
    health.stop()  # before the answer's sender comes back for the next one
    assert [answer.status for answer in said] == [protos.ServingStatus.Value("NOT_SERVING")]


@pytest.mark.ours("models have names in the health service")
def test_a_model_is_watched_from_before_it_is_there_until_it_is_gone(
    place, start, refused, tmp_path
):
    place("half/1", tmp_path / "half", 1)
    with start("--model_name=half", f"--model_base_path={tmp_path}/half", *FLAGS) as server:
        known, unknown = Watch(server, "half"), Watch(server, "nobody")
        assert (known.next(), unknown.next()) == ("SERVING", "SERVICE_UNKNOWN")
        with refused("NOT_FOUND", "service name unknown"):
            check(server, "nobody")
        (tmp_path / "half" / "1").rename(tmp_path / "gone")
        assert known.next() == "NOT_SERVING"
        assert check(server, "half") == "NOT_SERVING"
        assert check(server, "") == "SERVING"
        place("half/2", tmp_path / "half", 2)
        assert known.next() == "SERVING"
        reload = protos.ReloadConfigRequest()
        reload.config.model_config_list.config.add(
            name="nobody", base_path=f"{tmp_path}/half", model_platform="tensorflow"
        )
        server.call(HANDLE_RELOAD_CONFIG, reload)
        said = [unknown.next()]
        while said[-1] != "SERVING":
            said.append(unknown.next())
        assert set(said[:-1]) <= {"NOT_SERVING"}
        assert known.next() == "NOT_SERVING"


@pytest.mark.ours("models have names in the health service")
def test_watchers_hold_none_of_the_threads_that_answer(models, start, refused):
    with start("--model_name=half", f"--model_base_path={models}/half", *FLAGS) as server:
        watches = [Watch(server, "half") for _ in range(256)]
        assert [watch.next() for watch in watches] == ["SERVING"] * 256
        assert check(server, "half") == "SERVING"
        assert Watch(server, "half").next() == "RESOURCE_EXHAUSTED"
        for watch in watches:
            watch.call.cancel()
        deadline = time.monotonic() + 30
        while Watch(server, "half").next() != "SERVING":
            assert time.monotonic() < deadline


def probes():
    """The commands by which the image and the compose file of a GPU ask for health."""
    image = (DEPLOY / "model-server-gpu.Dockerfile").read_text()
    yield json.loads(re.search(r"HEALTHCHECK[^\[]*(\[.*\])", image)[1])
    compose = yaml.safe_load((DEPLOY / "compose" / "gpu.yaml").read_text())
    yield compose["services"]["model-server"]["healthcheck"]["test"][1:]


@pytest.mark.ours("the image is of model-server")
def test_the_probes_of_the_gpu_image(models, start):
    with start("--model_name=events", f"--model_base_path={models}/half", *FLAGS) as server:
        for python, option, code in probes():
            assert (python, option) == ("python", "-c")

            def asked(name, code=code):
                code = code.replace("127.0.0.1:8500", server.address).replace("events", name)
                return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL)

            assert asked("events").returncode == 0
            if "events" in code:
                assert asked("nothing").returncode != 0
        server.stop()
        assert all(
            subprocess.run(
                [sys.executable, "-c", code.replace("127.0.0.1:8500", server.address)],
                stderr=subprocess.DEVNULL,
            ).returncode
            for *_, code in probes()
        )


def test_the_gpu_image_is_started_with_flags_that_exist():
    image = (DEPLOY / "model-server-gpu.Dockerfile").read_text()
    entry = json.loads(re.search(r"ENTRYPOINT (\[.*\])", image)[1])
    compose = yaml.safe_load((DEPLOY / "compose" / "gpu.yaml").read_text())
    flags, unknown = parse([*entry[1:], *compose["services"]["model-server"]["command"]])
    assert unknown == []
    assert flags.enable_grpc_healthcheck_service and flags.bind_address == "0.0.0.0"
