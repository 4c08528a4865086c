"""Names, types and defaults of TF Serving's flags, and what becomes of their values."""

import dataclasses
import os

import pytest

from model_server.errors import StartError, UsageError
from model_server.flags import Flags, parse
from model_server.runtime.config_proto import config_proto
from model_server.runtime.options import SessionOptions
from model_server.session_flags import read_session_options

_CPUS = os.cpu_count()
# As its own --help prints them.
TF_SERVING = f"""
port int32 8500
grpc_socket_path string
rest_api_port int32 0
rest_api_num_threads int32 {4 * _CPUS}
rest_api_timeout_in_ms int32 30000
rest_api_enable_cors_support bool false
enable_batching bool false
allow_version_labels_for_unavailable_models bool false
batching_parameters_file string
enable_per_model_batching_parameters bool false
model_config_file string
model_config_file_poll_wait_seconds int32 0
model_name string default
model_base_path string
num_load_threads int32 0
num_unload_threads int32 0
max_num_load_retries int32 5
load_retry_interval_micros int64 60000000
file_system_poll_wait_seconds int32 1
flush_filesystem_caches bool true
tensorflow_session_parallelism int64 0
tensorflow_intra_op_parallelism int64 0
tensorflow_inter_op_parallelism int64 0
tensorflow_session_config_file string
use_alts_credentials bool false
ssl_config_file string
platform_config_file string
per_process_gpu_memory_fraction float 0.0
saved_model_tags string serve
grpc_channel_arguments string
grpc_max_threads int32 {4 * _CPUS}
enable_model_warmup bool true
num_request_iterations_for_warmup int32 0
version bool false
monitoring_config_file string
remove_unused_fields_from_bundle_metagraph bool true
prefer_tflite_model bool false
num_tflite_pools int32 {_CPUS}
num_tflite_interpreters_per_pool int32 1
enable_signature_method_name_check bool false
xla_cpu_compilation_enabled bool false
xla_gpu_compilation_enabled bool false
enable_profiler bool true
thread_pool_factory_config_file string
mixed_precision string
skip_initialize_tpu bool false
enable_grpc_healthcheck_service bool false
enable_serialization_as_tensor_content bool false
"""


def test_every_flag_of_tf_serving_has_its_type_and_default():
    ours = [
        " ".join([field.name, field.metadata["kind"], _text(field.default)]).strip()
        for field in dataclasses.fields(Flags)
        if not field.metadata["own"]
    ]
    assert ours == TF_SERVING.split("\n")[1:-1]


def _text(default):
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_flags_parse_as_in_tf_serving():
    words = ["--port=1", "--enable_batching", "--enable_profiler=false", "--model_name=a=b"]
    flags, unknown = parse([*words, "--per_process_gpu_memory_fraction=0.5", "--port=2"])
    assert (flags.port, flags.enable_batching, flags.enable_profiler) == (2, True, False)
    assert (flags.model_name, flags.per_process_gpu_memory_fraction) == ("a=b", 0.5)
    assert not unknown
    # Neither a single dash, nor a value in a word of its own, nor a flag that is not there.
    words = ["-port=1", "--port", "8500", "--ports=1", "port=1"]
    assert parse(words) == (Flags(), words)


@pytest.mark.parametrize(
    "word",
    [
        "--port=x",
        "--port=2147483648",
        "--enable_batching=1",
        "--enable_batching=True",
        "--load_retry_interval_micros=9223372036854775808",
        "--per_process_gpu_memory_fraction=much",
    ],
)
def test_values_that_do_not_parse(word):
    name, value = word.removeprefix("--").split("=")
    with pytest.raises(UsageError, match=f'interpret value "{value}" for flag {name}'):
        parse([word])


@pytest.mark.parametrize(
    ("session", "intra", "inter", "threads"),
    [
        (0, 0, 0, (0, 0)),
        (4, 0, 0, (4, 4)),
        (4, 2, 0, (2, 0)),
        (4, 0, 2, (0, 2)),
        (0, 3, 2, (3, 2)),
        (4, 2, -1, (2, -1)),
    ],
)
def test_threads_of_a_session(session, intra, inter, threads):
    flags = Flags(
        tensorflow_session_parallelism=session,
        tensorflow_intra_op_parallelism=intra,
        tensorflow_inter_op_parallelism=inter,
    )
    options = read_session_options(flags)
    assert (options.intra_op_threads, options.inter_op_threads) == threads


@pytest.mark.parametrize(
    ("text", "tags"), [("serve", ("serve",)), ("serve,gpu", ("serve", "gpu")), ("", ("serve",))]
)
def test_tags(text, tags):
    assert read_session_options(Flags(saved_model_tags=text)).tags == tags


def test_all_three_thread_counts_at_once_are_refused():
    names = ("session", "intra_op", "inter_op")
    with pytest.raises(StartError, match="are all set"):
        read_session_options(Flags(**{f"tensorflow_{name}_parallelism": 1 for name in names}))


def test_session_options_are_the_config_that_tensorflow_reads():
    message = config_proto()
    options = SessionOptions(
        intra_op_threads=300,
        inter_op_threads=-1,
        gpu_memory_fraction=0.25,
        bfloat16=True,
        config_proto=message(allow_soft_placement=True).SerializeToString(),
    )
    read = message.FromString(options.serialized())
    assert (read.intra_op_parallelism_threads, read.inter_op_parallelism_threads) == (300, -1)
    assert read.gpu_options.per_process_gpu_memory_fraction == 0.25
    rewriting = read.graph_options.rewrite_options
    assert rewriting.auto_mixed_precision_onednn_bfloat16 == rewriting.ON
    assert read.allow_soft_placement
