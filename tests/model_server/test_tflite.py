"""TensorFlow Lite models: signatures, shapes, data types, interpreters and batches."""

import importlib.util
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from model_server import loader_flags
from model_server.batching.parameters import Batching, BatchingParameters
from model_server.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    StartError,
)
from model_server.flags import Flags
from model_server.loaders.finishing import Finishing
from model_server.loaders.tflite import TfLiteLoader
from model_server.metrics import Metrics
from model_server.runtime import dtypes
from model_server.runtime.tensor import from_numpy, from_strings
from model_server.tflite.session import TfLiteSession
from model_server.tflite.signatures import find_definitions
from model_server.warmup import WarmUp
from serving_client import protos
from serving_client.services import GET_MODEL_METADATA, PREDICT

X, Y = "serving_default_x:0", "PartitionedCall:0"


@pytest.fixture(scope="module")
def lite(models):
    return models / "lite"


@pytest.fixture(scope="module")
def server(models, lite, start, tmp_path_factory):
    """Models of both kinds; `both` has a file of each, `tf` only a SavedModel."""
    folder = tmp_path_factory.mktemp("lite")
    both = folder / "both" / "1"
    both.mkdir(parents=True)
    for file in (models / "half" / "1").iterdir():
        (both / file.name).symlink_to(file)
    (both / "model.tflite").symlink_to(lite / "signed" / "1" / "model.tflite")
    bases = {"both": folder / "both", "tf": models / "half"}
    bases |= {name: lite / name for name in ("plain", "signed", "mixed")}
    entries = [
        f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" }}'
        for name, base in bases.items()
    ]
    (folder / "models").write_text(f"model_config_list {{ {' '.join(entries)} }}")
    return start(f"--model_config_file={folder}/models", "--prefer_tflite_model")


def test_the_lite_model_is_preferred_and_a_saved_model_is_served_where_there_is_none(server, api):
    def value(model):
        answer = server.call(PREDICT, api.predict(model, {"x": [[1.0], [3.0]]}))
        assert answer.model_spec.signature_name == "serving_default"
        return list(answer.outputs["y"].float_val)

    assert value("signed") == value("both") == [7.5, 8.5]
    assert value("tf") == [3.5, 4.5]


def test_signatures_come_from_the_metadata(server, api):
    request = api.predict("signed", {"number": [[1.0]]}, signature="again")
    assert list(server.call(PREDICT, request).outputs["half"].float_val) == [7.5]
    request = protos.GetModelMetadataRequest(
        model_spec=api.spec("signed"), metadata_field=["signature_def"]
    )
    found = protos.SignatureDefMap()
    server.call(GET_MODEL_METADATA, request).metadata["signature_def"].Unpack(found)
    assert set(found.signature_def) == {"serving_default", "again"}
    assert found.signature_def["again"].inputs["number"].name == X


def test_without_metadata_the_tensors_are_the_signature(server, api):
    status, text, _ = server.http("GET", "/v1/models/plain/metadata")
    assert status == 200
    assert '"serving_default_x"' in text and '"PartitionedCall"' in text
    status, text, _ = server.http(
        "POST", "/v1/models/plain:predict", {"instances": [[1.0], [3.0], [5.0]]}
    )
    assert (status, text.split()) == (
        200,
        ["{", '"predictions":', "[[7.5],", "[8.5],", "[9.5]", "]", "}"],
    )


def test_strings_numbers_and_truth_values(server, api):
    texts = [b"", b"\xff\0\0", "ü".encode() * 100]
    strings = protos.TensorProto(dtype=7, string_val=texts)
    strings.tensor_shape.dim.add(size=3)
    numbers = api.tensor([[1, 2], [3, 4], [1 << 60, -1]], "q")
    request = api.predict("mixed", {"text": strings, "n": numbers})
    outputs = server.call(PREDICT, request).outputs
    by_type = {output.dtype: output for output in outputs.values()}
    assert list(by_type[7].string_val) == texts
    assert list(by_type[9].int64_val) == [2, 3, 4, 5, (1 << 60) + 1, 0]
    assert list(by_type[10].bool_val) == [True, False, True, False, False, True]
    assert [d.size for d in by_type[10].tensor_shape.dim] == [3, 2]


def test_refused_requests_leave_it_serving(server, api, refused):
    with refused("INVALID_ARGUMENT", "Expects arg[0] to be float but int64 is provided"):
        server.call(PREDICT, api.predict("signed", {"x": api.tensor([[1]], "q")}))
    with refused("INVALID_ARGUMENT", "input size does not match signature: 0!=1"):
        server.call(PREDICT, api.predict("signed", {}))
    with refused("INVALID_ARGUMENT", "output tensor alias not found in signature: z"):
        server.call(PREDICT, api.predict("signed", {"x": [[1.0]]}, only=["z"]))
    for shape in ([0, 1], [], [2, 3, 2], [1]):
        x = np.ones(shape, np.float32)
        output = server.call(PREDICT, api.predict("signed", {"x": x})).outputs["y"]
        assert list(output.float_val) == [7.5] * x.size
        assert [d.size for d in output.tensor_shape.dim] == shape


def test_a_shape_the_model_cannot_compute_hurts_only_itself(lite):
    session = TfLiteSession(lite / "product" / "1", 1)

    def run(rows, columns):
        x = from_numpy(np.ones((rows, columns), np.float32), dtypes.FLOAT)
        return session.run([(X, x)], [Y])[0].numpy().tolist()

    assert run(2, 3) == [[3.0, 3.0]] * 2
    for _ in range(2):  # the same shape again is as wrong as before
        with pytest.raises(InternalError, match="Failed to allocate tensors: "):
            run(2, 5)
    assert run(2, 3) == [[3.0, 3.0]] * 2
    with pytest.raises(InternalError, match="Missing input TFLite tensor: z"):
        session.run([("z", from_strings([b""]))], [Y])
    with pytest.raises(InternalError, match="Missing output TFLite tensor: z"):
        session.run([], ["z"])


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("garbage", InvalidArgumentError, "Cannot build FlatBufferModel from buffer."),
        ("flex", InternalError, "Failed to allocate tensors: Select TensorFlow op"),
        ("unsigned", InvalidArgumentError, "Invalid SignatureDefs found in TfLite model: "),
        ("unknown", InternalError, "Unknown tensor 'z:0'.\n\tSignature input x references an unk"),
        ("unfed", FailedPreconditionError, "Signature serving_default does not name the input"),
    ],
)
def test_models_that_are_refused(lite, name, error, message):
    with pytest.raises(error) as refused:
        TfLiteSession(lite / name / "1", 1)
    assert refused.value.message.startswith(message)


def test_outputs_called_alike_are_one(lite):
    definition = TfLiteSession(lite / "alike" / "1", 1).definitions.signature_def["serving_default"]
    assert set(definition.outputs) == {"serving_default_text", "PartitionedCall"}
    assert definition.outputs["PartitionedCall"].name == "PartitionedCall:1"


def test_names_of_old_converters_have_no_output_number(lite):
    info = protos.TensorInfo(name="serving_default_x")
    content = (lite / "signed" / "1" / "model.tflite").read_bytes()
    found = find_definitions(content, {"serving_default_x": info}, {"PartitionedCall": info})
    assert found.signature_def["again"].inputs["number"].name == "serving_default_x"


class Gate:
    """Stands in for an interpreter that is at work until it is opened."""

    def __init__(self):
        self.entered, self.opened = threading.Semaphore(0), threading.Event()

    def run(self, feeds, fetches):
        self.entered.release()
        assert self.opened.wait(20)
        return []


def test_as_many_requests_run_at_once_as_there_are_interpreters(lite):
    session, gate = TfLiteSession(lite / "plain" / "1", 2), Gate()
    for _ in range(2):
        session._free.get()
    for _ in range(2):
        session._free.put(gate)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(session.run, [], [Y]) for _ in range(2)]
        for _ in running:
            assert gate.entered.acquire(timeout=20)
        began = time.monotonic()
        with pytest.raises(DeadlineExceededError, match="Timed out waiting for notification"):
            session.run([], [Y], timeout_ms=50)
        assert time.monotonic() - began >= 0.05
        waiting = pool.submit(session.run, [], [Y])
        gate.opened.set()
        for run in [*running, waiting]:
            assert run.result(20) == []


def _load(lite, name, batching=None, **counts):
    metrics = Metrics()
    finishing = Finishing(WarmUp(metrics), metrics, batching)

    def otherwise(*_):
        raise AssertionError("there is a model.tflite")

    loader = TfLiteLoader(finishing=finishing, otherwise=otherwise, **counts)
    return loader(name, 1, lite / name / "1")


def test_several_interpreters_per_pool_split_and_join(lite, monkeypatch):
    servable = _load(lite, "product", pools=2, per_pool=2)
    ran = []
    run = TfLiteSession.run
    monkeypatch.setattr(
        TfLiteSession,
        "run",
        lambda self, feeds, *rest: (ran.append(feeds), run(self, feeds, *rest))[1],
    )

    def ask(rows):
        x = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
        (y,) = servable.graph.run([(X, from_numpy(x, dtypes.FLOAT))], [Y])
        return y.numpy().tolist() == np.repeat(x.sum(1, keepdims=True), 2, 1).tolist()

    assert ask(10)
    # The file was made for batches of four.
    assert sorted(feeds[0][1].shape[0] for feeds in ran) == [2, 4, 4]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, [1, 2, 3, 5, 8, 13] * 10))
    with pytest.raises(InvalidArgumentError, match="Task size 501 is larger than maximum input"):
        ask(501)
    servable.close()


def test_an_open_batch_size_is_shared_by_the_interpreters_of_a_pool(lite):
    servable = _load(lite, "plain", pools=1, per_pool=3)
    assert servable.graph._parameters.batch_size == 167
    assert _load(lite, "plain", pools=1, per_pool=1).graph.batch_size == 1


def test_batching_is_put_in_front_as_of_any_model(lite):
    batching = Batching(BatchingParameters(max_batch_size=3, allowed_batch_sizes=(1, 3)))
    servable = _load(lite, "plain", batching, pools=1, per_pool=1)
    x = from_numpy(np.float32([[1.0], [3.0]]), dtypes.FLOAT)
    assert servable.graph.run([(X, x)], [Y])[0].numpy().tolist() == [[7.5], [8.5]]
    x = from_numpy(np.ones((4, 1), np.float32), dtypes.FLOAT)
    with pytest.raises(InvalidArgumentError, match="Task size 4 is larger than maximum"):
        servable.graph.run([(X, x)], [Y])


def test_without_the_interpreter_the_server_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    metrics = Metrics()
    with pytest.raises(StartError, match="--prefer_tflite_model needs") as error:
        loader_flags.read_loader(
            Flags(prefer_tflite_model=True), Finishing(WarmUp(metrics), metrics)
        )
    assert error.value.remedy == "install the tflite extra: pip install 'livebert[tflite]'"
