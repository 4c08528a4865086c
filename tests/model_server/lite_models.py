"""Makes the TensorFlow Lite models of these tests, for `make_models.py`."""

import flatbuffers
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef


class Lite(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
    def half(self, x):
        return {"y": x / 2.0 + 7.0}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="text"),
            tf.TensorSpec([None, 2], tf.int64, name="n"),
        ]
    )
    def mixed(self, text, n):
        return {"text": tf.identity(text), "odd": n % 2 > 0, "n": n + 1}

    @tf.function(input_signature=[tf.TensorSpec([4, 3], tf.float32, name="x")])
    def product(self, x):
        return {"y": tf.matmul(x, tf.ones([3, 2]))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def flex(self, x):
        wide = tf.cast(x, tf.float64)
        return {"y": tf.cast(wide + wide, tf.float32)}


def _convert(method, flex=False) -> bytes:
    module = Lite()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [getattr(module, method).get_concrete_function()], module
    )
    if flex:
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
    return converter.convert()


def signed(content: bytes, signatures: dict[str, bytes]) -> bytes:
    """The model with SignatureDefs in its metadata, as TensorFlow's signature tool puts them."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    map_ = flexbuffers.Builder()
    with map_.Map():
        for key, data in sorted(signatures.items()):
            map_.Key(key)
            map_.String(data.decode())
    buffer = schema.BufferT()
    buffer.data = bytes(map_.Finish())
    entry = schema.MetadataT()
    entry.name, entry.buffer = "signature_defs_metadata", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content) + 1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _signature(inputs: dict[str, str], outputs: dict[str, str]) -> bytes:
    made = SignatureDef(method_name="tensorflow/serving/predict")
    for names, infos in ((inputs, made.inputs), (outputs, made.outputs)):
        for alias, name in names.items():
            infos[alias].name = name
            infos[alias].dtype = tf.float32.as_datatype_enum
    return made.SerializeToString()


def write(path) -> None:
    half = _convert("half")
    x, y = "serving_default_x:0", "PartitionedCall:0"
    files = {
        "plain": half,
        "signed": signed(
            half,
            {
                "serving_default": _signature({"x": x}, {"y": y}),
                "again": _signature({"number": x}, {"half": y}),
            },
        ),
        "unknown": signed(half, {"serving_default": _signature({"x": "z:0"}, {"y": y})}),
        "unfed": signed(half, {"serving_default": _signature({}, {"y": y})}),
        "unsigned": signed(half, {"serving_default": b"\x0a\x7f"}),
        "mixed": signed(
            _convert("mixed"),
            {
                "serving_default": _signature(
                    {"text": "serving_default_text:0", "n": "serving_default_n:0"},
                    {"text": "serving_default_text:0", "a": y, "b": "PartitionedCall:1"},
                )
            },
        ),
        "alike": _convert("mixed"),
        "product": _convert("product"),
        "flex": _convert("flex", flex=True),
        "garbage": half[: len(half) // 2],
    }
    for name, content in files.items():
        folder = path / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.tflite").write_bytes(content)
