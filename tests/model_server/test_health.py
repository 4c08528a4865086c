"""The health service: once asked, and watched while models come and go."""

import queue
import threading
import time

import grpc
import pytest

from serving_client import protos
from serving_client.services import HANDLE_RELOAD_CONFIG, HEALTH_CHECK

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


@pytest.mark.parametrize("service", ["", "ModelService", "PredictionService"])
def test_the_servers_own_names_serve_until_it_stops(models, start, service):
    with start("--model_name=half", f"--model_base_path={models}/half", *FLAGS) as server:
        assert check(server, service) == "SERVING"
        watch = Watch(server, service)
        assert watch.next() == "SERVING"
        server.stop(expect=0)  # at once: a watcher does not hold it up
        assert (watch.next(), watch.next()) == ("NOT_SERVING", "end")


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
