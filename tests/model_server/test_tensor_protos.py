"""TensorProtos are read by TensorFlow's own rules, and written as TF Serving writes them."""

import numpy as np
import pytest

from model_server.core.tensor_protos import decode, encode
from model_server.errors import InvalidArgumentError
from model_server.runtime import library
from model_server.runtime.dtypes import BY_ENUM
from model_server.runtime.tensor import from_numpy, from_strings
from serving_client import protos


@pytest.fixture(scope="module", autouse=True)
def tensorflow():
    library.library()


def proto(shape, dtype=1, **fields):
    made = protos.TensorProto(dtype=dtype, **fields)
    made.tensor_shape.SetInParent()
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


@pytest.mark.parametrize(
    ("message", "values"),
    [
        (proto([2], float_val=[1.0, 2.0]), [1.0, 2.0]),
        (proto([3], float_val=[1.0, 2.0]), [1.0, 2.0, 2.0]),  # the last is repeated
        (proto([2]), [0.0, 0.0]),
        (proto([2], dtype=7), [b"", b""]),
        (proto([2], dtype=7, string_val=[b"a"]), [b"a", b"a"]),
        (proto([1], float_val=[1.0, 2.0]), [1.0]),  # what is too many is passed over
        (proto([2], tensor_content=np.float32([3, 4]).tobytes()), [3.0, 4.0]),
        (proto([2], tensor_content=np.float32([3, 4]).tobytes(), float_val=[9.0]), [3.0, 4.0]),
        (proto([]), 0.0),
        (proto([], float_val=[5.0]), 5.0),
        (proto([0, 4]), []),
        (proto([3], dtype=6, int_val=[127, 128, -129]), [127, -128, 127]),  # numbers wrap
        (proto([2], dtype=4, int_val=[256, -1]), [0, 255]),
        (proto([1], dtype=5, int_val=[40_000]), [-25_536]),
        (proto([2], dtype=17, int_val=[65_536, -1]), [0, 65_535]),
    ],
)
def test_read(message, values):
    assert decode(message).numpy().tolist() == values


def test_an_unknown_rank_is_a_scalar():
    message = proto([], float_val=[7.0])
    message.tensor_shape.unknown_rank = True
    assert decode(message).shape == ()


@pytest.mark.parametrize(
    "message",
    [
        proto([-1], float_val=[1.0]),
        proto([2, -1]),
        proto([1], dtype=0, float_val=[1.0]),
        proto([1], dtype=20),  # a resource
        proto([1], dtype=101, float_val=[1.0]),  # a reference
        proto([2], tensor_content=b"1234567"),
        proto([1], tensor_content=b"12345678"),
        proto([1 << 40, 1 << 40]),
    ],
)
def test_refused(message):
    with pytest.raises(InvalidArgumentError):
        decode(message)


@pytest.mark.parametrize(
    ("enum", "values"),
    [
        (1, np.float32([[1.5, np.nan], [np.inf, -0.0]])),
        (2, np.float64([1e300])),
        (9, np.int64([-(2**63), 2**63 - 1])),
        (10, np.array([True, False])),
        (23, np.uint64([2**64 - 1])),
        (3, np.int32(-7)),
        (1, np.zeros((2, 0, 3), np.float32)),
    ],
)
@pytest.mark.parametrize("as_content", [False, True])
def test_written_one_value_for_each_element(enum, values, as_content):
    message = protos.TensorProto()
    encode(from_numpy(np.asarray(values), BY_ENUM[enum]), message, as_content)
    assert [dim.size for dim in message.tensor_shape.dim] == list(np.shape(values))
    written = getattr(message, BY_ENUM[enum].field)
    assert len(written) == (0 if as_content else np.size(values))
    assert len(message.tensor_content) == (np.asarray(values).nbytes if as_content else 0)
    np.testing.assert_array_equal(decode(message).numpy(), values)


def test_strings_stay_strings_even_as_content():
    message = protos.TensorProto()
    encode(from_strings([b"", b"\xff\0"]), message, as_content=True)
    assert list(message.string_val) == [b"", b"\xff\0"]
    assert not message.tensor_content
