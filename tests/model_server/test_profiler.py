"""TensorFlow's profiler service on the gRPC port, by its bytes and by TensorFlow's own client."""

import subprocess
import sys
import threading
import time

import grpc
import pytest

from model_server.runtime.wire import fields, varint
from serving_client.services import PREDICT


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def profile_request(root, session, milliseconds, emit=False):
    # ProfileOptions: version, host_tracer_level, device_tracer_level, duration_ms
    options = field(5, 1) + field(2, 2) + field(3, 1) + field(9, milliseconds)
    request = field(4, options) + field(5, str(root).encode())
    return request + field(6, session) + field(7, b"host:1") + field(9, int(emit))


@pytest.fixture(scope="module")
def server(models, start):
    return start("--model_name=half", f"--model_base_path={models}/half")


@pytest.fixture
def call(server):
    def call(method, request, timeout=30):
        path = f"/tensorflow.ProfilerService/{method}"
        return server.channel.unary_unary(path).future(request, timeout=timeout)

    return call


@pytest.fixture
def busy(server, api):
    """The server is asked all the time."""
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            server.call(PREDICT, api.predict("half", {"x": [[1.0]]}))

    asking = threading.Thread(target=ask)
    asking.start()
    yield
    stop.set()
    asking.join()


def test_a_profile_shows_the_operations_that_ran(call, busy, tmp_path):
    assert call("Profile", profile_request(tmp_path, b"run", 200)).result() == b""
    saved = (tmp_path / "run" / "host_1.xplane.pb").read_bytes()
    assert b"/host:CPU" in saved
    assert b"RealDiv" in saved or b"truediv" in saved


def test_it_can_be_sent_instead_of_saved(call, tmp_path, busy):
    answer = call("Profile", profile_request(tmp_path, b"run", 100, emit=True)).result()
    response = dict(fields(memoryview(answer)))
    assert b"/host:CPU" in bytes(response[8])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ours("the words of its log")
def test_terminate_ends_it_early_and_a_second_one_is_refused(server, call, tmp_path, refused):
    began = time.monotonic()
    running = call("Profile", profile_request(tmp_path, b"long", 25_001))
    server.wait_for("Profiling for 25001 ms")
    with refused("INTERNAL", "Another profiling session active."):
        call("Profile", profile_request(tmp_path, b"second", 1)).result()
    assert call("Terminate", field(1, b"long")).result() == b""
    running.result()
    assert time.monotonic() - began < 20
    assert (tmp_path / "long" / "host_1.xplane.pb").exists()


def test_a_caller_that_goes_away_frees_the_tracer(call, tmp_path):
    with pytest.raises(grpc.RpcError):
        call("Profile", profile_request(tmp_path, b"gone", 25_000), timeout=0.3).result()
    deadline = time.monotonic() + 10
    while True:
        try:
            call("Profile", profile_request(tmp_path, b"next", 1)).result()
            break
        except grpc.RpcError as error:
            assert "Another profiling session" in error.details()
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("method", "request_", "code", "message"),
    [
        ("Monitor", b"", "UNIMPLEMENTED", "unimplemented."),
        ("Profile", b"\x22\x7f", "INTERNAL", "Failed to parse Profile request"),
        ("Profile", field(4, b"\xff"), "INTERNAL", "Failed to parse Profile request"),
        ("Terminate", b"\x0a\x7f", "INTERNAL", "Failed to parse Terminate request"),
        ("Profile", field(5, b"/proc/no/where"), "INTERNAL", ""),
    ],
)
def test_refused(call, refused, method, request_, code, message):
    with refused(code, message):
        call(method, request_).result()


def test_it_can_be_left_out(models, start, refused):
    flags = ("--model_name=half", f"--model_base_path={models}/half", "--enable_profiler=false")
    with start(*flags) as server, refused("UNIMPLEMENTED", ""):
        server.channel.unary_unary("/tensorflow.ProfilerService/Profile")(b"", timeout=20)


@pytest.mark.ours("the words of its log")
def test_stopping_does_not_wait_for_a_profile(models, start, tmp_path):
    server = start("--model_name=half", f"--model_base_path={models}/half")
    profile = server.channel.unary_unary("/tensorflow.ProfilerService/Profile")
    running = profile.future(profile_request(tmp_path, b"run", 60_000), timeout=60)
    server.wait_for("Profiling for 60000 ms")
    server.stop(expect=0)
    assert running.result() == field(7, 1)  # an empty trace: nothing ran


CLIENT = """
import sys, glob, tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2
address, folder = sys.argv[1:]
tf.profiler.experimental.client.trace(f"grpc://{address}", folder, 500)
file, = glob.glob(f"{folder}/plugins/profile/*/*.xplane.pb")
space = xplane_pb2.XSpace.FromString(open(file, "rb").read())
for plane in space.planes:
    for line in plane.lines:
        for event in line.events:
            print(plane.name, plane.event_metadata[event.metadata_id].name)
try:
    tf.profiler.experimental.client.monitor(f"grpc://{address}", 100)
except RuntimeError as error:
    print(error)
"""


@pytest.mark.slow
def test_tensorflows_own_client(server, busy, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, server.address, tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    events = set(done.stdout.splitlines())
    assert "/host:CPU SessionRun" in events
    # What TensorFlow's own profiler server says, too, where there is no TPU.
    assert "UNIMPLEMENTED: unimplemented." in events
