"""TLS: what the bridge shows and trusts, as a client and as a server."""

from __future__ import annotations

import ssl
from pathlib import Path

from stream_bridge.config.base import Frozen
from stream_bridge.errors import ConfigError


class ClientTls(Frozen):
    """TLS to a broker.

    Attributes:
      ca_file: certificates to trust (PEM); None takes the system's.
      cert_file: this client's certificate (PEM).
      key_file: its key (PEM).
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For connections to the broker. Raises ConfigError where a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ValueError) as error:
            raise ConfigError(f"tls: {_files(self)}: {error}") from error
        return context


class ServerTls(Frozen):
    """TLS of a listener.

    Attributes:
      cert_file: the bridge's certificate, and what leads to its root (PEM).
      key_file: its key (PEM).
      client_ca_file: senders must show a certificate of one of these (PEM); None asks for none.
    """

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For connections of senders. Raises ConfigError where a file cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.cert_file, self.key_file)
            if self.client_ca_file is not None:
                context.load_verify_locations(self.client_ca_file)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ValueError) as error:
            raise ConfigError(f"source.tls: {_files(self)}: {error}") from error
        return context


def _files(tls: Frozen) -> str:
    return ", ".join(str(file) for _, file in tls if file is not None)
