"""What REST cannot write, and the HTTP status of each error, from the specification's tables."""

import json

import pytest

from model_server.errors import InvalidArgumentError, status_error
from model_server.rest import formatting
from model_server.rest.predict_json import read_inputs
from model_server.servable import Signature


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"y": 1.0}, "Tensor name: y has no shape information "),
        (
            {"a": [1.0, 2.0], "b": [1.0]},
            "Tensor name: b has inconsistent batch size: 1 expecting: 2",
        ),
    ],
)
def test_outputs_that_are_no_rows(api, outputs, message):
    protos = {alias: api.tensor(value) for alias, value in outputs.items()}
    with pytest.raises(InvalidArgumentError) as error:
        formatting.rows(protos)
    assert error.value.message == message


def test_no_rows_at_all(api):
    assert json.loads(formatting.rows({"y": api.tensor([])})) == {"predictions": []}


@pytest.mark.parametrize(("dtype", "name"), [(19, "half"), (14, "bfloat16"), (8, "complex64")])
def test_types_that_have_no_json(api, dtype, name):
    proto = api.protos.TensorProto(dtype=dtype)
    proto.tensor_shape.dim.add(size=1)
    with pytest.raises(InvalidArgumentError, match=f"value for tensor type: {name}$"):
        formatting.rows({"y": proto})


@pytest.mark.parametrize(("document", "name"), [({}, "DEFAULT"), ({"signature_name": "s"}, "s")])
def test_a_signature_without_inputs(document, name):
    signature = Signature("s", "", {}, {}, {}, None)
    with pytest.raises(InvalidArgumentError) as error:
        read_inputs({**document, "inputs": 1}, signature)
    assert error.value.message == f"Failed to get input map for signature: {name}"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INVALID_ARGUMENT", 400),
        ("FAILED_PRECONDITION", 400),
        ("OUT_OF_RANGE", 400),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("NOT_FOUND", 404),
        ("ALREADY_EXISTS", 409),
        ("ABORTED", 409),
        ("RESOURCE_EXHAUSTED", 429),
        ("CANCELLED", 499),
        ("UNKNOWN", 500),
        ("INTERNAL", 500),
        ("DATA_LOSS", 500),
        ("UNIMPLEMENTED", 501),
        ("UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", 504),
    ],
)
def test_every_code_has_its_http_status(code, status):
    [error] = [e for n in range(1, 17) if (e := status_error(n, "why")).code == code]
    assert (error.http_status, error.message) == (status, "why")
