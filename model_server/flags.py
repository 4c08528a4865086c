"""The command line: TF Serving's flags with its syntax and defaults, and a few of our own."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

from model_server.errors import StartError, UsageError

_CPUS = os.cpu_count() or 1


def _flag(default: Any, help_: str, kind: str = "", *, own: bool = False, refused: str = "") -> Any:
    kind = kind or {bool: "bool", int: "int32", str: "string", float: "float"}[type(default)]
    return dataclasses.field(
        default=default, metadata={"kind": kind, "help": help_, "own": own, "refused": refused}
    )


@dataclass(frozen=True)
class Flags:
    """The value of every flag. Metadata: `kind`, `help`, `own` (not in TF Serving), `refused`."""

    port: int = _flag(8500, "TCP port to listen on for gRPC API. Disabled if port set to zero.")
    grpc_socket_path: str = _flag("", "also listen for gRPC on this UNIX socket")
    rest_api_port: int = _flag(0, "TCP port of the REST API; 0 = no REST")
    rest_api_num_threads: int = _flag(4 * _CPUS, "REST worker threads")
    rest_api_timeout_in_ms: int = _flag(30000, "run timeout of a REST call; 0 = none")
    rest_api_enable_cors_support: bool = _flag(False, "add CORS headers to REST answers")
    enable_batching: bool = _flag(False, "join requests into batches")
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "a new label may point to a version that is not loaded yet"
    )
    batching_parameters_file: str = _flag("", "BatchingParameters as text proto")
    enable_per_model_batching_parameters: bool = _flag(
        False, "read batching_params.pbtxt in each version directory"
    )
    model_config_file: str = _flag(
        "", "ModelServerConfig as text proto; model_name and model_base_path are then ignored"
    )
    model_config_file_poll_wait_seconds: int = _flag(
        0, "how often model_config_file is read again; 0 = never"
    )
    model_name: str = _flag("default", "name of the single model")
    model_base_path: str = _flag("", "absolute directory of the single model's version directories")
    num_load_threads: int = _flag(0, "loads at once after start-up; 0 = one")
    num_unload_threads: int = _flag(0, "accepted: every unload has a thread of its own")
    max_num_load_retries: int = _flag(5, "how often a failed load is tried again")
    load_retry_interval_micros: int = _flag(60_000_000, "time between two tries", "int64")
    file_system_poll_wait_seconds: int = _flag(1, "how often base paths are looked at; 0 = once")
    flush_filesystem_caches: bool = _flag(
        True, "accepted: TensorFlow keeps no cache of local files"
    )
    tensorflow_session_parallelism: int = _flag(
        0, "threads of a session, intra and inter op; 0 = auto", "int64"
    )
    tensorflow_intra_op_parallelism: int = _flag(0, "threads within one op; 0 = auto", "int64")
    tensorflow_inter_op_parallelism: int = _flag(0, "ops run at once; 0 = auto", "int64")
    tensorflow_session_config_file: str = _flag("", "ConfigProto as text proto")
    use_alts_credentials: bool = _flag(
        False,
        "Google ALTS",
        refused="Python's gRPC server has no ALTS handshake outside Google Cloud; use "
        "--ssl_config_file",
    )
    ssl_config_file: str = _flag("", "SSLConfig as text proto: TLS on the gRPC ports")
    platform_config_file: str = _flag(
        "",
        "PlatformConfigMap as text proto",
        refused="it names C++ classes of TF Serving; use the batching, session and warm-up flags",
    )
    per_process_gpu_memory_fraction: float = _flag(
        0.0, "share of each GPU's memory to take; 0 = TensorFlow chooses"
    )
    saved_model_tags: str = _flag("serve", "comma-separated tags of the meta graph to load")
    grpc_channel_arguments: str = _flag("", "comma-separated key=value arguments for gRPC")
    grpc_max_threads: int = _flag(4 * _CPUS, "threads that answer gRPC calls (at least 256)")
    enable_model_warmup: bool = _flag(True, "run assets.extra/tf_serving_warmup_requests on load")
    num_request_iterations_for_warmup: int = _flag(0, "how often each warm-up request is run")
    version: bool = _flag(False, "print the versions and exit")
    monitoring_config_file: str = _flag("", "MonitoringConfig as text proto: Prometheus metrics")
    remove_unused_fields_from_bundle_metagraph: bool = _flag(
        True, "accepted: only the signatures are ever kept"
    )
    prefer_tflite_model: bool = _flag(
        False, "serve a version's model.tflite where there is one (needs the tflite extra)"
    )
    num_tflite_pools: int = _flag(_CPUS, "TensorFlow Lite interpreters of a version: runs at once")
    num_tflite_interpreters_per_pool: int = _flag(
        1, "more than 1: TensorFlow Lite requests are joined and split into batches"
    )
    enable_signature_method_name_check: bool = _flag(
        False, "demand the signature method name that fits the call"
    )
    xla_cpu_compilation_enabled: bool = _flag(False, "let XLA compile, on whichever device")
    xla_gpu_compilation_enabled: bool = _flag(False, "let XLA compile, on whichever device")
    enable_profiler: bool = _flag(True, "register tensorflow.ProfilerService")
    thread_pool_factory_config_file: str = _flag(
        "", "custom thread pools", refused="it names C++ classes; use the parallelism flags"
    )
    mixed_precision: str = _flag("", "`bfloat16`: automatic mixed precision")
    skip_initialize_tpu: bool = _flag(False, "accepted: there is no TPU support")
    enable_grpc_healthcheck_service: bool = _flag(False, "register grpc.health.v1.Health")
    enable_serialization_as_tensor_content: bool = _flag(
        False, "put output numbers into tensor_content"
    )

    bind_address: str = _flag(
        "127.0.0.1", "address to listen on; 0.0.0.0 serves other machines", own=True
    )
    choose_free_ports: bool = _flag(
        False, "let the system choose the ports; the log names them", own=True
    )
    shutdown_grace_seconds: float = _flag(
        25.0, "on SIGTERM, how long running calls may take to finish", own=True
    )
    engine: str = _flag(
        "livebert",
        "`tensorflow_serving` runs tensorflow_model_server from the PATH with the same flags",
        own=True,
    )
    log_format: str = _flag("text", "`text` or `json`: how log lines are written", own=True)


def parse(arguments: list[str]) -> tuple[Flags, list[str]]:
    """The flags, and the arguments that are not flags.

    Raises:
        UsageError: a value does not parse, or `--help` is asked for.
        StartError: a flag for something this server does not do.
    """
    known = {field.name: field for field in dataclasses.fields(Flags)}
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        field = known.get(name) if argument.startswith("--") else None
        bare = field is not None and not equals
        if field is None or (bare and field.metadata["kind"] != "bool"):
            if argument == "--help" and not unknown:
                raise UsageError("")
            unknown.append(argument)
            continue
        values[name] = True if bare else _value(field.metadata["kind"], name, text)
        if field.metadata["refused"] and values[name] != field.default:
            raise StartError(f"--{name} is not supported", field.metadata["refused"])
    return Flags(**values), unknown


def _value(kind: str, name: str, text: str) -> Any:
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text]
        if kind == "string":
            return text
        if kind == "float":
            return float(text)
        number = int(text)
        if (
            not -(2 ** (63 if kind == "int64" else 31))
            <= number
            < 2 ** (63 if kind == "int64" else 31)
        ):
            raise ValueError(text)
        return number
    except (KeyError, ValueError) as error:
        raise UsageError(f'Couldn\'t interpret value "{text}" for flag {name}.') from error


def usage() -> str:
    """Every flag with its default and what it does."""
    lines = ["usage: model-server", "Flags:"]
    for field in dataclasses.fields(Flags):
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        kind, text = field.metadata["kind"], field.metadata["help"]
        lines.append(f"  --{field.name}={default}  {kind}  {text}")
    return "\n".join(lines)
