"""Writes the SavedModels of these tests: python make_models.py DIRECTORY [NAME ...]

All of them, or those named; one process, one TensorFlow import.
"""

import sys
from pathlib import Path

import tensorflow as tf

ROOT = Path(sys.argv[1])
FLOAT = tf.TensorSpec([None, 1], tf.float32, name="x")
TEXT = tf.TensorSpec([None], tf.string, name="text")
tf1 = tf.compat.v1


class Half(tf.Module):
    """y = x / 2 + b, where b tells the version."""

    def __init__(self, b):
        super().__init__()
        self.b = tf.Variable(float(b))

    @tf.function(input_signature=[FLOAT])
    def half(self, x):
        return {"y": x / 2.0 + self.b}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="a"),
            tf.TensorSpec([None], tf.float32, name="b"),
        ]
    )
    def both(self, a, b):
        return {"sum": a + b, "difference": a - b}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="m")])
    def product(self, m):
        return {"p": tf.matmul(m, [[1.0], [1.0]], name="product")}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="steps")])
    def spin(self, steps):
        # Runs for as long as it is told to: about 1 ms a step.
        _, m = tf.while_loop(
            lambda i, m: i < steps,
            lambda i, m: (i + 1, tf.matmul(m, m) * 1e-3),
            [0, tf.ones([300, 300])],
        )
        return {"value": self.b + 0.0 * tf.reduce_sum(m)}


def half(path, b):
    module = Half(b)
    tf.saved_model.save(
        module,
        str(path),
        signatures={
            "serving_default": module.half,
            "both": module.both,
            "product": module.product,
            "spin": module.spin,
        },
    )


class Text(tf.Module):
    """A table kept as an asset, and a tensorflow_text tokenizer."""

    def __init__(self, vocabulary):
        super().__init__()
        import tensorflow_text

        self.file = tf.saved_model.Asset(str(vocabulary))
        self.table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                self.file,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            1,
        )
        self.tokenizer = tensorflow_text.WhitespaceTokenizer()

    @tf.function(input_signature=[TEXT])
    def ids(self, text):
        tokens = self.tokenizer.tokenize(text)
        return {
            "ids": tf.RaggedTensor.to_tensor(
                tf.ragged.map_flat_values(self.table.lookup, tokens), -1
            ),
            "upper": tf.strings.upper(text),
        }


def text(path):
    vocabulary = ROOT / "vocabulary.txt"
    vocabulary.write_text("disk\nfull\nok\n")
    module = Text(vocabulary)
    tf.saved_model.save(module, str(path), signatures=module.ids)


def every_dtype(path):
    """A signature per data type that gives its input back."""
    names = "float32 float64 int32 uint8 int16 int8 string complex64 int64 bool bfloat16 uint16 "
    names += "complex128 float16 uint32 uint64"
    with tf.Graph().as_default(), tf1.Session() as session:
        signatures = {}
        for name in names.split():
            x = tf1.placeholder(tf.dtypes.as_dtype(name), None, name=f"in_{name}")
            y = tf.identity(x, name=f"out_{name}")
            signatures[name] = tf1.saved_model.predict_signature_def({"x": x}, {"y": y})
        _save_tf1(path, session, signatures)


def classic(path):
    """A TF1 export: Example parsing, classify and regress, defaults, odd signatures."""
    build = tf1.saved_model.signature_def_utils
    info = tf1.saved_model.build_tensor_info
    with tf.Graph().as_default(), tf1.Session() as session:
        serialized = tf1.placeholder(tf.string, [None], name="examples")
        features = tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        weight = tf1.get_variable("weight", initializer=2.0)
        y = tf.multiply(features["x"], weight, name="y")
        count = tf.shape(y)[0]
        classes = tf.tile([["low", "high"]], [count, 1], name="classes")
        scores = tf.concat([1.0 - y, y], axis=1, name="scores")
        text = tf1.placeholder(tf.string, [None], name="plain")
        session.run(tf1.global_variables_initializer())

        def signature(inputs, outputs, kind):
            return build.build_signature_def(
                {k: info(v) for k, v in inputs.items()},
                {k: info(v) for k, v in outputs.items()},
                f"tensorflow/serving/{kind}",
            )

        examples = {"inputs": serialized}
        a = tf1.placeholder(tf.float32, [None], name="a")
        b = tf1.placeholder(tf.float32, [None], name="b")
        with_default = signature({"a": a, "b": b}, {"sum": a + b}, "predict")
        with_default.defaults["b"].CopyFrom(tf.make_tensor_proto([10.0]))
        signatures = {
            "serving_default": signature(examples, {"outputs": y}, "regress"),
            "regress_flat": signature(examples, {"outputs": tf.squeeze(y, 1)}, "regress"),
            "regress_by_predict": signature(examples, {"outputs": y}, "predict"),
            "classify": signature(examples, {"classes": classes, "scores": scores}, "classify"),
            "scores_only": signature(examples, {"scores": scores}, "classify"),
            "classes_only": signature(examples, {"classes": classes}, "classify"),
            "no_inputs_alias": signature({"examples": serialized}, {"outputs": y}, "predict"),
            "other_outputs": signature(examples, {"values": y}, "predict"),
            "three_outputs": signature(
                examples, {"classes": classes, "scores": scores, "y": y}, "predict"
            ),
            "two_inputs": signature(
                {"inputs": serialized, "more": text}, {"outputs": y}, "predict"
            ),
            "wrong_rank": signature(examples, {"scores": y[:, 0]}, "classify"),
            "wrong_class_type": signature(examples, {"classes": scores}, "classify"),
            "wrong_score_type": signature(examples, {"scores": classes}, "classify"),
            "wrong_batch": signature(
                examples, {"scores": tf.concat([scores, scores], 0)}, "classify"
            ),
            "wrong_width": signature(
                examples, {"classes": classes, "scores": scores[:, :1]}, "classify"
            ),
            "regress_wrong_rank": signature(examples, {"outputs": scores}, "regress"),
            "regress_wrong_batch": signature(
                examples, {"outputs": tf.concat([y, y], 0)}, "regress"
            ),
            "regress_wrong_type": signature(
                examples, {"outputs": tf.cast(y, tf.float64)}, "regress"
            ),
            "text_to_bytes": signature(
                {"text": text},
                {"raw_bytes": tf.identity(text), "length": tf.strings.length(text)},
                "predict",
            ),
            "with_default": with_default,
            "float_inputs": signature({"inputs": a}, {"outputs": 2.0 * a}, "regress"),
        }
        _save_tf1(path, session, signatures)


def uninitialised(path):
    """A variable that no session ever fills: the shape of an export only Python can load."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None], name="x")
        v = tf1.get_variable("v", initializer=1.0, use_resource=True)
        signature = tf1.saved_model.predict_signature_def({"x": x}, {"y": x + v})
        builder = tf1.saved_model.Builder(str(path))
        tf1.get_default_graph().clear_collection(tf1.GraphKeys.GLOBAL_VARIABLES)
        builder.add_meta_graph_and_variables(
            session, ["serve"], signature_def_map={"serving_default": signature}
        )
        builder.save()


def _save_tf1(path, session, signatures):
    builder = tf1.saved_model.Builder(str(path))
    builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
    builder.save()


def halves(path):
    half(path / "1", 2)
    half(path / "2", 3)


class Compiled(tf.Module):
    """One signature that asks for XLA, and one that can be clustered for it."""

    @tf.function(input_signature=[FLOAT], jit_compile=True)
    def inner(self, x):
        return tf.tanh(x) * 2.0 + 1.0

    @tf.function(input_signature=[FLOAT])
    def asks(self, x):
        return {"y": self.inner(x)}

    @tf.function(input_signature=[FLOAT])
    def plain(self, x):
        return {"y": tf.tanh(x) * 2.0 + 1.0}


def compiled(path):
    module = Compiled()
    tf.saved_model.save(
        module, str(path), signatures={"serving_default": module.asks, "plain": module.plain}
    )


class Counting(tf.Module):
    """A signature that remembers how often it was run, and a table that is saved with its rows."""

    def __init__(self):
        super().__init__()
        self.runs = tf.Variable(0, dtype=tf.int64)
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.table.insert(["disk", "full"], [5, 6])

    @tf.function(input_signature=[TEXT])
    def count(self, text):
        return {"runs": self.runs.assign_add(1), "ids": self.table.lookup(text)}


def counting(path):
    module = Counting()
    tf.saved_model.save(module, str(path), signatures=module.count)


def lite(path):
    import lite_models

    lite_models.write(path)


def tf1_exports(path):
    import tf1_models

    tf1_models.write(path)


MODELS = {
    "half": halves,
    "text": lambda path: text(path / "1"),
    "dtypes": lambda path: every_dtype(path / "1"),
    "classic": lambda path: classic(path / "00000123"),
    "uninitialised": lambda path: uninitialised(path / "1"),
    "compiled": lambda path: compiled(path / "1"),
    "counting": lambda path: counting(path / "1"),
    "lite": lite,
    "tf1": tf1_exports,
}

ROOT.mkdir(parents=True, exist_ok=True)
for name in sys.argv[2:] or MODELS:
    MODELS[name](ROOT / name)
