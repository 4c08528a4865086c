"""The codec against TensorFlow itself, for every dtype."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving_client import dtypes, protos
from serving_client.errors import TensorError
from serving_client.tensors import from_proto, to_proto

WIRES = list(dtypes.BY_ENUM.values())
SMALL = st.integers(-70000, 70000)
VALUES = {
    "float_val": st.floats(width=32),
    "double_val": st.floats(),
    "int_val": SMALL | st.integers(-(2**31), 2**31 - 1),
    "string_val": st.binary(max_size=5),
    "scomplex_val": st.floats(width=32),
    "int64_val": SMALL | st.integers(-(2**63), 2**63 - 1),
    "bool_val": st.booleans(),
    "dcomplex_val": st.floats(),
    "half_val": st.integers(0, 65535),
    "uint32_val": st.integers(0, 2**32 - 1),
    "uint64_val": st.integers(0, 2**64 - 1),
}


@st.composite
def messages(draw, wire):
    proto = protos.TensorProto(dtype=wire.enum)
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    count = int(np.prod(shape, dtype=int))
    form = draw(st.sampled_from(["typed", "short", "content", "wrong"]))
    if form in ("typed", "short"):
        size = count * (2 if "complex" in wire.field else 1)
        length = size if form == "typed" else draw(st.integers(0, size + 2))
        if wire.field == "float8_val":
            proto.float8_val = draw(st.binary(min_size=length, max_size=length))
        else:
            values = draw(st.lists(VALUES[wire.field], min_size=length, max_size=length))
            getattr(proto, wire.field).extend(values)
    else:
        size = count * wire.raw.itemsize if wire.name != "STRING" else count * 2
        size += draw(st.integers(1, 3)) if form == "wrong" else 0
        if wire.name == "BOOL":
            proto.tensor_content = bytes(
                draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
            )
        elif wire.name in ("INT4", "UINT4"):
            proto.tensor_content = bytes(
                draw(st.lists(st.integers(0, 7), min_size=size, max_size=size))
            )
        else:
            proto.tensor_content = draw(st.binary(min_size=size, max_size=size))
    return proto


def bits(array):
    if "int4" in array.dtype.name:  # the upper half of the byte means nothing
        return array.astype(np.int8).tolist()
    return array.tolist() if array.dtype == object else array.tobytes()


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_decodes_what_tensorflow_decodes(tf, wire):
    @settings(max_examples=60, deadline=None)
    @given(messages(wire))
    def check(proto):
        try:
            theirs = tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(wire.enum))
        except tf.errors.InvalidArgumentError:
            theirs = None
        try:
            ours = from_proto(proto)
        except TensorError:
            ours = None
        if theirs is None or ours is None:
            assert theirs is None, (proto, theirs)
            assert ours is None, (proto, ours)
            return
        expected = theirs.numpy()
        if not isinstance(expected, np.ndarray):  # scalars come as Python or numpy scalars
            expected = np.array(expected, dtype=ours.dtype)
        assert ours.shape == tuple(theirs.shape)
        if ours.dtype.kind in "fcV":  # NaN payloads may be quieted on the way through TF
            nan = np.isnan(ours)
            assert np.array_equal(nan, np.isnan(expected))
            assert bits(ours[~nan]) == bits(np.asarray(expected)[~nan])
        else:
            assert bits(ours) == bits(np.asarray(expected))

    check()


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize("typed", [False, True])
def test_tensorflow_reads_what_we_write(tf, wire, typed):
    if wire.name == "STRING":
        array = np.array([[b"a", b"\xff"], [b"", b"long " * 50]], dtype=object)
    elif wire.numpy.kind == "b":
        array = np.array([[True, False]])
    elif wire.numpy.kind in "iu" and wire.name not in ("INT4", "UINT4"):
        limits = np.iinfo(wire.numpy)
        array = np.array([[0, 1], [limits.min, limits.max]], dtype=wire.numpy)
    else:
        array = np.array([[0, 1], [2, 3]]).astype(wire.numpy)
    proto = to_proto(array, wire.enum, typed=typed)
    theirs = tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(wire.enum)).numpy()
    assert bits(np.asarray(theirs)) == bits(array)


def test_same_choice_of_dtype_as_tensorflow(tf):
    for value in ("a", ["a"], 1, [1.5], [[True]], 1 + 2j, [b"x"]):
        theirs = tf.make_tensor_proto(value)
        ours = to_proto(value)
        assert ours.dtype == theirs.dtype, value
        assert np.array_equal(tf.make_ndarray(theirs), from_proto(ours))
