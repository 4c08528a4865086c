"""SavedModels of every kind, loaded as TF Serving loads them."""

import subprocess
import sys

import pytest

from model_server.core.predict import predict
from model_server.errors import FailedPreconditionError, NotFoundError, UnimplementedError
from model_server.loaders.finishing import Finishing
from model_server.loaders.saved_model import SavedModelLoader
from model_server.metrics import Metrics
from model_server.runtime import library
from model_server.runtime.options import SessionOptions
from model_server.warmup import WarmUp


@pytest.fixture(scope="module")
def load(models):
    """Load a version in this process; it is closed at the end."""
    library.library()
    library.register_op_libraries()
    metrics = Metrics()
    opened = []

    def load(path, *tags):
        loader = SavedModelLoader(
            SessionOptions(tags=tags or ("serve",)), Finishing(WarmUp(metrics), metrics)
        )
        opened.append(loader("m", 1, models / path))
        return opened[-1]

    yield load
    for servable in opened:
        servable.close()


def test_a_model_is_text_as_well(load, api):
    answer = predict(load("tf1/as_text/1"), api.predict("m", {"x": [1.0, 2.0]}))
    assert list(answer.outputs["y"].float_val) == [2.0, 4.0]


@pytest.mark.parametrize("init", ["main_op", "legacy_init"])
def test_a_table_is_filled_from_its_asset(load, api, init):
    answer = predict(load(f"tf1/{init}/1"), api.predict("m", {"words": ["full", "no", "disk"]}))
    assert list(answer.outputs["ids"].int64_val) == [1, -1, 0]


def test_reference_variables_in_parts_and_a_loop(load, api):
    answer = predict(load("tf1/old_variables/1"), api.predict("m", {"x": [[1.0, 2.0, 3.0, 4.0]]}))
    assert list(answer.outputs["y"].float_val) == [13.0]


def test_loading_runs_nothing_that_leaves_a_trace(load, api):
    servable = load("counting/1")
    for runs in (1, 2):
        outputs = predict(servable, api.predict("m", {"text": ["full", "no"]})).outputs
        assert list(outputs["runs"].int64_val) == [runs]
        assert list(outputs["ids"].int64_val) == [6, -1]


def test_a_sparse_tensor_is_fed_by_its_parts(load, api):
    inputs = {
        "indices": api.tensor([[0, 1], [1, 0]], "q"),
        "values": [5.0, 7.0],
        "shape": api.tensor([2, 2], "q"),
    }
    answer = predict(load("tf1/sparse/1"), api.predict("m", inputs))
    assert list(answer.outputs["y"].float_val) == [5.0, 7.0]


def test_the_tags_are_those_of_the_meta_graph_no_more_and_no_fewer(load, api):
    assert predict(load("tf1/two_tags/1", "serve", "gpu"), api.predict("m", {"x": [1.0]})).outputs
    for tags in (("serve",), ("serve", "tpu")):
        with pytest.raises(NotFoundError, match="Could not find meta graph def matching supplied"):
            load("tf1/two_tags/1", *tags)


@pytest.mark.parametrize(
    ("path", "named"),
    [("tf1/no_init/1", "hash_table"), ("tf1/no_data/1", "v"), ("uninitialised/1", "v")],
)
def test_what_a_session_leaves_without_a_value_is_refused(load, path, named):
    with pytest.raises(FailedPreconditionError) as refused:
        load(path)
    assert refused.value.message.startswith("1 variable(s) or table(s) hold no value after loading")
    assert f"that read them: {named}. " in refused.value.message


def test_pythons_own_openssl_outlives_the_one_in_tensorflow():
    code = (
        "from model_server.runtime import library; library.library(); import hashlib, hmac, ssl; "
        "hmac.new(b'k', b'm', 'sha1'); ssl.create_default_context(); print(hashlib.new('md5'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_directories_without_a_model(load, tmp_path):
    says = (
        "Specified file path does not appear to contain a SavedModel bundle (should have a file "
        f"called `saved_model.pb`)\nSpecified file path: {tmp_path}"
    )
    with pytest.raises(NotFoundError) as error:
        load(tmp_path)
    assert error.value.message == says
    (tmp_path / "export.meta").touch()
    with pytest.raises(UnimplementedError, match=r"Session Bundle is deprecated and removed\."):
        load(tmp_path)
