"""Makes exports as TensorFlow 1 wrote them, for `make_models.py`."""

import shutil

import tensorflow as tf

tf1 = tf.compat.v1


def _save(path, session, inputs, outputs, tags=("serve",), as_text=False, **options):
    signature = tf1.saved_model.predict_signature_def(inputs, outputs)
    builder = tf1.saved_model.Builder(str(path))
    builder.add_meta_graph_and_variables(
        session, list(tags), signature_def_map={"serving_default": signature}, **options
    )
    builder.save(as_text=as_text)


def table(path, vocabulary, init):
    """A table filled from an asset by the op that `init` names, or by none."""
    with tf.Graph().as_default(), tf1.Session() as session:
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        lookup = tf.lookup.StaticHashTable(initializer, -1)
        words = tf1.placeholder(tf.string, [None], name="words")
        ids = lookup.lookup(words)
        session.run(tf1.tables_initializer())
        options = {init: tf1.tables_initializer()} if init else {}
        _save(
            path,
            session,
            {"words": words},
            {"ids": ids},
            assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS),
            **options,
        )


def old_variables(path):
    """Reference variables, one of them in two parts, and a loop."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None, 4], name="x")
        with tf1.variable_scope("parts", partitioner=tf1.fixed_size_partitioner(2)):
            parts = tf1.get_variable("w", [4, 1], initializer=tf1.ones_initializer())
        one = tf1.get_variable("one", initializer=1.0, use_resource=False)
        _, y = tf.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, y + one), [0, tf.matmul(x, parts)]
        )
        session.run(tf1.global_variables_initializer())
        _save(path, session, {"x": x}, {"y": y})


def plain(path, **options):
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, None, name="x")
        v = tf1.get_variable("v", initializer=2.0)
        session.run(tf1.global_variables_initializer())
        _save(path, session, {"x": x}, {"y": x * v}, **options)


def sparse(path):
    """A sparse input, fed by its three parts."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.sparse_placeholder(tf.float32, name="x")
        parts = {"indices": x.indices, "values": x.values, "shape": x.dense_shape}
        _save(path, session, parts, {"y": tf.sparse.reduce_sum(x, axis=1)})


def write(path):
    path.mkdir()
    vocabulary = path / "vocabulary.txt"
    vocabulary.write_text("disk\nfull\n")
    for name, init in (("main_op", "main_op"), ("legacy_init", "legacy_init_op"), ("no_init", "")):
        table(path / name / "1", vocabulary, init)
    vocabulary.unlink()
    old_variables(path / "old_variables" / "1")
    plain(path / "as_text" / "1", as_text=True)
    plain(path / "two_tags" / "1", tags=("serve", "gpu"))
    sparse(path / "sparse" / "1")
    plain(path / "no_data" / "1")
    shutil.rmtree(path / "no_data" / "1" / "variables")
