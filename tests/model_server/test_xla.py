"""XLA compiles only where a flag allows it, as in TF Serving."""

from serving_client.services import PREDICT

AUTO = {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_min_cluster_size=1"}
X = {"x": [[0.0]]}


def serve(start, models, *flags, ready=True, **environment):
    base = f"--model_base_path={models}/compiled"
    return start(
        "--model_name=compiled",
        base,
        "--max_num_load_retries=0",
        *flags,
        ready=ready,
        **environment,
    )


def test_a_model_that_asks_for_xla_is_refused_when_it_is_run(models, start, api, refused):
    server = serve(start, models)
    with refused("INTERNAL", "XLA compilation disabled"):
        server.call(PREDICT, api.predict("compiled", X))
    answer = server.call(PREDICT, api.predict("compiled", X, signature="plain"))
    assert list(answer.outputs["y"].float_val) == [1.0]


def test_a_flag_allows_it(models, start, api):
    server = serve(start, models, "--xla_cpu_compilation_enabled")
    answer = server.call(PREDICT, api.predict("compiled", X))
    assert list(answer.outputs["y"].float_val) == [1.0]


def test_clusters_that_tensorflow_makes_by_itself_need_the_flag_too(models, start, api):
    server = serve(start, models, ready=False, **AUTO)
    assert server.process.wait(60) == 255
    server.wait_for("cannot be loaded: INTERNAL: XLA compilation disabled")
    server = serve(start, models, "--xla_gpu_compilation_enabled", **AUTO)
    answer = server.call(PREDICT, api.predict("compiled", X, signature="plain"))
    assert list(answer.outputs["y"].float_val) == [1.0]
