"""Mosquitto, an MQTT broker that keeps its sessions on disk."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from examples.services.process import Service, install, until


class Mosquitto(Service):
    """A broker.

    Args:
      folder: where it keeps its files.
      port: what it listens on; None takes a free one.
      user: a name and a password that it asks for; None takes everybody.
      tls: files of its certificate and key; None is plain.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        user: tuple[str, str] | None = None,
        tls: tuple[Path, Path] | None = None,
    ):
        super().__init__(folder, port)
        install("mosquitto")
        self._user, self._tls = user, tls

    def command(self) -> Sequence[str]:
        """The broker with a config of its own."""
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self.folder}/",
            # It writes its sessions down at the end and at SIGUSR1, not at each message.
            "autosave_interval 0",
            "max_queued_messages 0",
            "log_type all",
        ]
        if self._user is None:
            lines.append("allow_anonymous true")
        else:
            users = self.folder / "users"
            users.touch()
            subprocess.run(  # noqa: S603 - Mosquitto's own tool
                ["/usr/bin/mosquitto_passwd", "-b", str(users), *self._user], check=True
            )
            lines.append(f"password_file {users}")
        if self._tls is not None:
            certificate, key = self._tls
            lines += [f"certfile {certificate}", f"keyfile {key}"]
        file = self.folder / "mosquitto.conf"
        # As root it would become a user who may not be let in here.
        file.write_text("\n".join(["user root", *lines]) + "\n")
        return ["/usr/sbin/mosquitto", "-c", str(file)]

    @property
    def url(self) -> str:
        """The bridge's address of it."""
        return f"mqtt://127.0.0.1:{self.port}"

    def subscribed(self, client_id: str) -> bool:
        """Whether a client of that name has subscribed."""
        return f"Sending SUBACK to {client_id}" in (self.folder / "log").read_text()

    def save(self) -> None:
        """Writes its sessions down; returns when they are on disk."""
        file = self.folder / "mosquitto.db"
        before = file.stat().st_mtime_ns if file.exists() else 0
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: file.exists() and file.stat().st_mtime_ns > before, what=str(file))

    def send(self, messages: Iterable[tuple[str, str | bytes]], qos: int = 1) -> None:
        """Publishes topics and payloads; returns when the broker has all."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if self._user is not None:
            client.username_pw_set(*self._user)
        if self._tls is not None:
            client.tls_set(str(self._tls[0]))
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for sent in [client.publish(topic, payload, qos) for topic, payload in messages]:
            sent.wait_for_publish(60)
            if not sent.is_published():
                raise AssertionError(f"{self.address} does not take messages")
        client.disconnect()
        client.loop_stop()
