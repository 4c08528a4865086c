"""TLS and mutual TLS, with certificates made on the spot."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest

from serving_client import Client, ServingError, Tls, UnavailableError
from serving_client.cli.commands import run
from serving_client.testing import FakeServer


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    folder = tmp_path_factory.mktemp("tls")

    def call(*argv):
        subprocess.run([openssl, *argv], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    call(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    for name in ("server", "client"):
        call("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(
            "subjectAltName=DNS:models.example\nauthorityKeyIdentifier=keyid\n"
        )
        call(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-extfile", f"{name}.ext",
        )  # fmt: skip
    return folder


def server_credentials(folder, *, mutual):
    pair = ((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())
    root = (folder / "ca.pem").read_bytes()
    return grpc.ssl_server_credentials([pair], root if mutual else None, mutual)


def client_tls(folder, *, mutual, name="models.example"):
    return Tls(
        root_certificates=(folder / "ca.pem").read_bytes(),
        client_certificate=(folder / "client.pem").read_bytes() if mutual else None,
        client_key=(folder / "client.key").read_bytes() if mutual else None,
        server_name=name,
    )


@pytest.mark.parametrize("mutual", [False, True])
def test_tls(certificates, mutual):
    credentials = server_credentials(certificates, mutual=mutual)
    with FakeServer(credentials=credentials) as server:
        server.add("m", lambda _: {"v": [1]})
        tls = client_tls(certificates, mutual=mutual)
        with Client(server.address, tls=tls, headers={"authorization": "secret"}) as client:
            assert client.predict("m", "x").version == 1
            assert "secret" not in repr(client) + repr(client._config)
            assert "PRIVATE" not in repr(tls)
        wrong_name = client_tls(certificates, mutual=mutual, name="other.example")
        for tls in (None, wrong_name) + ((client_tls(certificates, mutual=False),) * mutual):
            with Client(server.address, tls=tls) as client, pytest.raises(ServingError):
                client.predict("m", "x", timeout=0.5)


@pytest.mark.parametrize("mutual", [False, True])
def test_rest_behind_a_proxy_with_tls(certificates, mutual):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "ca.pem")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"model_version_status": [{"version": "7", "state": "AVAILABLE"}]}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # clients that are turned away

    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"https://127.0.0.1:{server.server_address[1]}"
        tls = client_tls(certificates, mutual=mutual)
        with Client(address, tls=tls) as client:
            assert client.status("m")[0].version == 7
        wrong_name = client_tls(certificates, mutual=mutual, name="other.example")
        for wrong in (None, wrong_name):
            with Client(address, tls=wrong) as client:
                with pytest.raises(UnavailableError, match="certificate is not accepted") as caught:
                    client.status("m", timeout=10)
                assert caught.value.attempts == 1
        if mutual:
            without = client_tls(certificates, mutual=False)
            with Client(address, tls=without) as client, pytest.raises(ServingError):
                client.status("m", timeout=0.5)
        server.shutdown()


def test_tls_on_the_command_line(certificates, capsys):
    with FakeServer(credentials=server_credentials(certificates, mutual=True)) as server:
        server.add("m", lambda _: {"v": [1]})
        argv = ["predict", "m", "x", "--address", server.address, "--timeout", "10"]
        argv += ["--tls-root", str(certificates / "ca.pem"), "--tls-name", "models.example"]
        argv += ["--tls-cert", str(certificates / "client.pem")]
        assert run([*argv, "--tls-key", str(certificates / "client.key")], {}) == 0
        assert '"v": 1' in capsys.readouterr().out
        assert run(argv, {}) == 3
        assert "go together" in capsys.readouterr().err
