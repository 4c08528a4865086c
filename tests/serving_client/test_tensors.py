"""The codec's own promises: round trips, short lists, hostile messages."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving_client import dtypes, protos, responses, varints
from serving_client.errors import ResponseError, TensorError
from serving_client.tensors import Allowance, from_proto, to_proto

PLAIN = [
    wire.numpy
    for wire in dtypes.BY_ENUM.values()
    if wire.numpy.kind in "biufc" and not wire.name.startswith("Q") and wire.numpy.isbuiltin == 1
]


def same(left, right):
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    assert left.tobytes() == right.tobytes() if left.dtype != object else (left == right).all()


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(PLAIN), st.booleans())
def test_numbers_come_back(data, dtype, typed):
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=5)))
    proto = to_proto(array, typed=typed)
    assert bool(proto.tensor_content) == (not typed and array.size > 0)
    same(from_proto(protos.TensorProto.FromString(proto.SerializeToString())), array)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.binary()))
def test_strings_come_back(values):
    expected = [v.encode() if isinstance(v, str) else v for v in values]
    assert from_proto(to_proto(np.array(values, object))).tolist() == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_varints_are_protobufs_own(values):
    message = protos.Int64List(value=values)
    packed = varints.encode(np.array(values, np.int64))
    assert protos.TensorWire.FromString(message.SerializeToString()).ByteSize() >= 0
    again = protos.TensorProto()
    again.MergeFromString(
        protos.TensorWire(int64_val=[packed] if values else []).SerializeToString()
    )
    assert list(again.int64_val) == values
    if values:
        assert varints.decode(packed).astype(np.int64).tolist() == values


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        ("text", object, ()),
        (b"raw", object, ()),
        (["a", b"b"], object, (2,)),
        ([["a"], ["b"]], object, (2, 1)),
        ([], np.float32, (0,)),
        (1, np.int32, ()),
        (2**40, np.int64, ()),
        (0.5, np.float32, ()),
        ([True, False], np.bool_, (2,)),
        (np.float64(1), np.float64, ()),
        (np.array(["x", "y"]), object, (2,)),
        (np.array([b"x"]), object, (1,)),
        (np.arange(3, dtype=">i4"), np.int32, (3,)),
        (np.arange(12).reshape(3, 4)[:, ::2], np.int64, (3, 2)),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float64, (2, 3)),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_what_python_gives(value, dtype, shape, typed):
    array = from_proto(to_proto(value, typed=typed))
    assert array.dtype == dtype
    assert array.shape == shape
    if array.dtype.kind != "O":
        assert np.array_equal(array, np.asarray(value))


@pytest.mark.parametrize(
    "value",
    [
        [["a"], "b"],
        ["a", 1],
        [[1, 2], [3]],
        [None],
        [{}],
        ["\ud800"],
        np.array(["2026"], "datetime64[Y]"),
        2**70,
    ],
)
def test_what_is_no_tensor(value):
    with pytest.raises(TensorError):
        to_proto(value)


def test_a_wanted_dtype():
    assert to_proto([1, 2], protos.DT_FLOAT).dtype == protos.DT_FLOAT
    assert to_proto([], protos.DT_STRING).dtype == protos.DT_STRING
    assert from_proto(to_proto([1.5], protos.DT_HALF)).dtype == np.float16
    for value, dtype in (
        ([1.5], protos.DT_INT32),
        ([300], protos.DT_INT8),
        ([2**40], protos.DT_INT32),
        ([-1], protos.DT_UINT64),
        ([1], protos.DT_STRING),
        (["a"], protos.DT_FLOAT),
        ([1], protos.DT_BOOL),
        ([1], protos.DT_VARIANT),
        ([1], 12345),
    ):
        with pytest.raises(TensorError):
            to_proto(value, dtype)


def test_bfloat16_with_and_without_ml_dtypes():
    values = np.array([1, -2.5, 3.1415926, np.inf, np.nan, 65504 * 2, 1.00390625], np.float32)
    for typed in (False, True):
        proto = to_proto(values, protos.DT_BFLOAT16, typed=typed)
        array = from_proto(proto)
        assert array.dtype == dtypes.BY_ENUM[protos.DT_BFLOAT16].numpy
        widened = array.astype(np.float32)
        expected = [1, -2.5, 3.140625, np.inf, np.nan, 131072, 1]
        assert np.array_equal(widened, expected, equal_nan=True)


def tensor(dtype, shape=(), **fields):
    proto = protos.TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def test_short_and_long_lists():
    assert from_proto(tensor(1, (3,), float_val=[1, 2])).tolist() == [1, 2, 2]
    assert from_proto(tensor(1, (2,))).tolist() == [0, 0]
    assert from_proto(tensor(1, (1,), float_val=[1, 2])).tolist() == [1]
    assert from_proto(tensor(7, (3,), string_val=[b"a"])).tolist() == [b"a"] * 3
    assert from_proto(tensor(7, (2,))).tolist() == [b"", b""]
    assert from_proto(tensor(6, (2,), int_val=[300, -1])).tolist() == [44, -1]
    assert from_proto(tensor(10, (2,), bool_val=[True])).tolist() == [True, True]
    assert from_proto(tensor(8, (2,), scomplex_val=[1, 2, 3])).tolist() == [1 + 2j, 1 + 2j]
    assert from_proto(tensor(10, (2,), tensor_content=b"\x02\x00")).tolist() == [True, False]
    assert from_proto(tensor(1, (0, 5), tensor_content=b"ignored")).shape == (0, 5)
    unknown = tensor(1, float_val=[4])
    unknown.tensor_shape.unknown_rank = True
    assert from_proto(unknown).shape == ()


@pytest.mark.parametrize(
    "proto",
    [
        tensor(1, (2,), tensor_content=b"123"),
        tensor(1, (-1,)),
        tensor(1, (2**40,)),
        tensor(7, (2**40,), string_val=[b"x"]),
        tensor(3, (2**62, 2**62)),
        tensor(3, (2**62, 2**62, 0)),
        tensor(3, (1,) * 300),
        tensor(3, (1,) * 200, int_val=[1]),
        tensor(0),
        tensor(20),
        tensor(101),
        tensor(999),
        tensor(7, (2,), tensor_content=b"\x01"),
        tensor(7, (2,), tensor_content=b"\x01\x05ab"),
        tensor(7, (1,), tensor_content=b"\xff" * 12 + b"\x01"),
    ],
)
def test_hostile_messages_are_errors(proto):
    with pytest.raises(TensorError):
        from_proto(proto)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_never_crash(data):
    try:
        proto = protos.TensorProto.FromString(data)
    except Exception:
        return
    with contextlib.suppress(TensorError):
        from_proto(proto, Allowance(1 << 20))


def test_the_tensors_of_one_message_share_what_they_may_expand_to():
    message = protos.PredictResponse()
    for number in range(300):
        tensor = message.outputs[f"output {number}"]
        tensor.CopyFrom(protos.TensorProto(dtype=protos.DT_FLOAT, float_val=[1.0]))
        tensor.tensor_shape.dim.add(size=1 << 18)
    assert message.ByteSize() < 20_000
    with pytest.raises(ResponseError, match="bytes of repeated values, the limit is"):
        responses.prediction(message)


def test_large_arrays_are_not_copied_twice():
    proto = to_proto(np.ones(1000, np.float32))
    assert not from_proto(proto).flags.owndata
