"""A GPU is used without being asked for, and the flags about its memory act.

Runs where a GPU is, with what the server itself needs and pytest:

    python tests/model_server/make_models.py /tmp/models half classic    # on any machine
    MODEL_SERVER_MODELS=/tmp/models python -m pytest tests/model_server/test_gpu.py
"""

import contextlib
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving_client.services import PREDICT, REGRESS

# What TensorFlow says when it makes the device: its memory in MiB, and which GPU it is.
DEVICE = re.compile(r"Created device \S*device:GPU:0 with (\d+) MB memory:.*name: ([^,]+)")
# MiB that CUDA itself takes for a process, with the kernels of its libraries.
CONTEXT = 2_000


def _no_gpu() -> str:
    """Why there is no GPU; empty where there is one."""
    if shutil.which("nvidia-smi") is None:
        return "no nvidia-smi"
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return "" if "GPU 0" in listed.stdout else (listed.stdout + listed.stderr).strip()


_NO_GPU = _no_gpu()
pytestmark = [
    pytest.mark.skipif(bool(_NO_GPU), reason=f"there is no GPU here: {_NO_GPU}"),
    pytest.mark.timeout(600),
]


def _memory() -> tuple[float, float]:
    """MiB of the first GPU that are in use, by whomever, and MiB that it has."""
    command = ["nvidia-smi", "--id=0", "--query-gpu=memory.used,memory.total"]
    command += ["--format=csv,noheader,nounits"]
    used, total = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
        ","
    )
    return float(used), float(total)


@pytest.fixture
def regress(api):
    """Call for 2 x by the model `classic`: the CPU parses the Example, the GPU multiplies."""

    def regress(server, x: float) -> float:
        request = api.protos.RegressionRequest(model_spec={"name": "classic"})
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(x)
        return server.call(REGRESS, request, timeout=240).result.regressions[0].value

    return regress


@pytest.fixture
def serving(models, start, tmp_path, regress):
    """A server whose TensorFlow says what it does, and the MiB that it takes of an idle GPU."""

    @contextlib.contextmanager
    def serving(*flags: str, config: str = ""):
        before, _ = _memory()
        flags += ("--model_name=classic", f"--model_base_path={models}/classic")
        if config:
            (tmp_path / "session.pbtxt").write_text(config)
            flags += (f"--tensorflow_session_config_file={tmp_path}/session.pbtxt",)
        with start(*flags, TF_CPP_MIN_LOG_LEVEL="0") as server:
            assert regress(server, 1.5) == 3.0
            yield server, _memory()[0] - before

    return serving


def test_it_is_used_without_being_asked_for(serving):
    with serving() as (server, taken):
        _, total = _memory()
        device = server.wait_for(DEVICE, 10)
        print(device[0], f"; {taken:.0f} of {total:.0f} MiB taken")
        assert int(device[1]) > 0.7 * total
        assert taken > 0.7 * total


def test_its_operations_run_there(serving):
    with serving(config="log_device_placement: true") as (server, _):
        server.wait_for(r"y: \(Mul\): \S*device:GPU:0", 10)


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_the_fraction_is_what_it_takes(serving, fraction):
    with serving(f"--per_process_gpu_memory_fraction={fraction}") as (server, taken):
        _, total = _memory()
        device = server.wait_for(DEVICE, 10)
        print(device[0], f"; {taken:.0f} of {total:.0f} MiB taken")
        assert int(device[1]) == pytest.approx(fraction * total, rel=0.1)
        assert 0.9 * fraction * total < taken < 1.1 * fraction * total + CONTEXT


def test_memory_can_grow_as_it_is_needed_up_to_the_fraction(serving):
    flag = "--per_process_gpu_memory_fraction=0.2"
    with serving(flag, config="gpu_options { allow_growth: true }") as (server, taken):
        assert int(server.wait_for(DEVICE, 10)[1]) == pytest.approx(0.2 * _memory()[1], rel=0.1)
        assert taken < CONTEXT


def test_a_hidden_gpu_is_left_alone(models, start, regress):
    before, _ = _memory()
    flags = ("--model_name=classic", f"--model_base_path={models}/classic")
    with start(*flags, CUDA_VISIBLE_DEVICES="-1") as server:
        assert regress(server, 1.5) == 3.0
        assert abs(_memory()[0] - before) < 100


def test_many_calls_at_once_get_their_own_answers(serving, regress):
    flags = ("--per_process_gpu_memory_fraction=0.2", "--enable_batching")
    with serving(*flags) as (server, _), ThreadPoolExecutor(16) as pool:
        values = [n / 64 for n in range(256)]
        assert list(pool.map(lambda x: regress(server, x), values)) == [2 * x for x in values]


def test_versions_swap_and_the_gpu_gets_its_memory_back(place, start, api, tmp_path):
    place("half/1", tmp_path / "half", 1)
    flags = ("--model_name=half", f"--model_base_path={tmp_path}/half")
    with start(*flags, "--per_process_gpu_memory_fraction=0.2") as server:
        request = api.predict("half", {"m": [[1.0, 2.0]]}, signature="product")
        server.call(PREDICT, request, timeout=240)
        before, _ = _memory()
        for version in range(2, 7):
            place("half/2", tmp_path / "half", version)
            server.wait_for(rf"Successfully loaded servable version .*version: {version}\}}")
            answer = server.call(PREDICT, request, timeout=240)
            assert list(answer.outputs["p"].float_val) == [3.0]
            assert answer.model_spec.version.value == version
        assert abs(_memory()[0] - before) < 100
