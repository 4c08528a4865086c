"""TLS, client certificates and channel arguments."""

import subprocess
from pathlib import Path

import grpc
import pytest

from serving_client.services import PREDICT


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A self-signed authority that is server and client at once: (key, certificate) as PEM."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key -out cert"
    )
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return (folder / "key").read_bytes(), (folder / "cert").read_bytes()


def ssl_config(path, certificates, verify):
    key, cert = (text.decode().replace("\n", "\\n") for text in certificates)
    path.write_text(
        f'server_key: "{key}"\nserver_cert: "{cert}"\ncustom_ca: "{cert}"\n'
        f"client_verify: {str(verify).lower()}\n"
    )
    return path


@pytest.mark.parametrize("verify", [False, True])
def test_tls(models, start, api, refused, certificates, tmp_path, verify):
    server = start(
        "--model_name=half",
        f"--model_base_path={models}/half",
        f"--ssl_config_file={ssl_config(tmp_path / 'ssl', certificates, verify)}",
    )
    request = api.predict("half", {"x": [[1.0]]})
    key, cert = certificates
    anonymous = grpc.ssl_channel_credentials(cert)
    known = grpc.ssl_channel_credentials(cert, key, cert)
    server.channel = grpc.secure_channel(server.address, known)
    assert server.call(PREDICT, request).outputs
    server.channel = grpc.secure_channel(server.address, anonymous)
    if verify:
        with refused("UNAVAILABLE", ""):
            server.call(PREDICT, request)
    else:
        assert server.call(PREDICT, request).outputs
    # REST stays plain, as in TF Serving.
    assert server.http("GET", "/v1/models/half")[0] == 200


def test_channel_arguments(models, start, api, refused):
    server = start(
        "--model_name=half",
        f"--model_base_path={models}/half",
        "--grpc_channel_arguments=grpc.max_receive_message_length=100,unknown.key=text",
    )
    with refused("RESOURCE_EXHAUSTED", ""):
        server.call(PREDICT, api.predict("half", {"x": [[1.0]] * 100}))


@pytest.mark.ours("what is refused")
@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--grpc_channel_arguments=key", "no value in key"),
        ("--ssl_config_file=/dev/null", "names no server_key and server_cert"),
        ("--ssl_config_file=/not/here", "Invalid protobuf file: '/not/here'"),
        ("--platform_config_file=x", "--platform_config_file is not supported"),
        ("--file_system_poll_wait_seconds=-1", "no model is ever looked for"),
        ("--engine=tensorflow_serving", "tensorflow_model_server is not on the PATH"),
        ("--engine=other", "no engine is called other"),
        ("--mixed_precision=fp8", "--mixed_precision=fp8 is not known"),
        ("--monitoring_config_file=/not/here", "Invalid protobuf file: '/not/here'"),
    ],
)
def test_refused_at_start(models, start, argument, says):
    server = start(f"--model_base_path={models}/half", argument, ready=False)
    assert server.process.wait(30) == 255
    assert says in server.process.stdout.read()


@pytest.mark.ours("--engine")
def test_the_real_binary_gets_the_same_flags(models, start, tmp_path, monkeypatch):
    binary = tmp_path / "tensorflow_model_server"
    binary.write_text('#!/bin/sh\necho "$@"\n')
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    server = start("--engine=tensorflow_serving", "--port=1", "--log_format=json", ready=False)
    assert server.process.wait(30) == 0
    assert server.process.stdout.read() == "--port=1\n"


def test_session_flags(models, start, api, tmp_path):
    (tmp_path / "session").write_text("intra_op_parallelism_threads: 1\n")
    server = start(
        "--model_name=half",
        f"--model_base_path={models}/half",
        f"--tensorflow_session_config_file={tmp_path}/session",
        "--tensorflow_inter_op_parallelism=-1",
        "--per_process_gpu_memory_fraction=0.25",
        "--mixed_precision=bfloat16",
    )
    request = api.predict("half", {"m": [[1.001, 1.0]]}, signature="product")
    value = server.call(PREDICT, request).outputs["p"].float_val[0]
    # oneDNN has bfloat16 kernels for processors with AVX-512 only: elsewhere nothing is rounded.
    rounded = "avx512f" in Path("/proc/cpuinfo").read_text()
    assert value == pytest.approx(2.0 if rounded else 2.001, abs=1e-6)
