"""Syslog over TCP, TLS and UDP: framing, fields, and what survives the bridge's death."""

import contextlib
import signal
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_bridge.errors import ConfigError
from stream_bridge.sources.journal import to_raw_messages
from stream_bridge.sources.lines import Line
from stream_bridge.sources.syslog import SyslogAssembler
from tests.stream_bridge.certificates import self_signed
from tests.stream_bridge.conftest import wait_for

MESSAGE = '<165>1 2026-01-05T10:00:00.000003Z web-1 shop 42 ID7 [a@1 zone="b\\"c"] \ufeffcart bad'
FORMAT = {
    "kind": "syslog",
    "key": "host",
    "time": {"field": "timestamp", "format": "syslog"},
    "attributes": ["severity", "data.a@1.zone"],
}


def messages_of(block):
    """What stands in the journal: bytes, and whether they are all."""
    lines = [Line(line, 0, len(line), False) for line in block.split(b"\n")[:-1]]
    return [(raw.data, raw.truncated) for raw in to_raw_messages(lines, "s", "p")]


def assembled(data, sizes=(7,), max_bytes=100):
    sender, block, at, turn = SyslogAssembler("10.0.0.1", max_bytes), b"", 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        block += sender.take(data[at : at + size])
        at, turn = at + size, turn + 1
    return messages_of(block + sender.rest())


def counted(message):
    return b"%d %s" % (len(message), message)


def lined(message):
    return message + b"\n"


bodies = st.binary(max_size=30).map(lambda body: b"<13>" + body)


@given(
    st.lists(
        st.tuples(st.just(counted), bodies)
        | st.tuples(st.just(lined), bodies.map(lambda b: b.translate(None, b"\n\0\r"))),
    ),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_messages_come_whole_however_they_are_framed_and_cut(framed, sizes):
    data = b"".join(frame(message) for frame, message in framed)
    assert assembled(data, sizes) == [(message, False) for _, message in framed]


def test_a_count_frames_line_endings_too():
    assert assembled(b"8 <1>a\nb\nc<2>line\r\n\n9 <3>second") == [
        (b"<1>a\nb\nc", False),
        (b"<2>line", False),
        (b"<3>second", False),
    ]


def test_the_overlong_is_cut_and_the_next_one_is_whole():
    long = b"<1>" + b"x" * 500
    for frame in (counted, lined):
        found = assembled(frame(long) + frame(b"<2>next"), max_bytes=20)
        assert found == [(long[:20], True), (b"<2>next", False)]


def test_what_is_neither_framing_is_a_line_and_what_breaks_off_is_dropped(caplog):
    assert assembled(b"99 bottles\n<1>fine\n") == [(b"99 bottles", False), (b"<1>fine", False)]
    assert assembled(b"99999999999999 <1>\n<2>fine\n")[-1] == (b"<2>fine", False)
    assert assembled(b"<1>whole\n50 <2>half") == [(b"<1>whole", False)]
    assert "broke off 43 bytes before the end" in caplog.text
    assert assembled(b"<1>no line ending") == [(b"<1>no line ending", False)]


def listening(it):
    host, port = wait_for(lambda: it.status().get("listening"), 120).split(":")
    return host, int(port)


def test_a_stream_of_both_framings_becomes_events(bridge):
    it = bridge(source={"address": "syslog://127.0.0.1:0"}, format=FORMAT).start()
    with socket.create_connection(listening(it)) as sender:
        sender.sendall(counted(MESSAGE.encode()) + b"<34>Oct 11 22:14:15 old su[3]: fine\n")
        sender.sendall(b"garbage\n<13>1 - - - - - - no clock\n")
        wait_for(lambda: len(it.predictions) == 3 and it.dead)
    assert it.finish() == 0
    new, old, clockless = it.predictions
    assert clockless["event_time"] > "2026-01-06"
    assert (new["text"], new["key"], new["alert"]) == ("cart bad", "web-1", True)
    assert new["event_time"] == "2026-01-05T10:00:00.000003Z"
    assert new["attributes"] == {
        "peer": "127.0.0.1",
        "severity": "notice",
        "data.a@1.zone": 'b"c',
    }
    assert (old["text"], old["key"]) == ("fine", "old")
    assert it.dead[0]["code"] == "NO_MATCH"


def test_tls_and_who_may_send(bridge, tmp_path):
    server, key = self_signed(tmp_path, "server")
    client, client_key = self_signed(tmp_path, "client")
    tls = {"cert_file": str(server), "key_file": str(key), "client_ca_file": str(client)}
    it = bridge(source={"address": "syslog://127.0.0.1:0", "tls": tls}, format=FORMAT).start()
    address = listening(it)
    stranger = ssl.create_default_context(cafile=server)
    known = ssl.create_default_context(cafile=server)
    known.load_cert_chain(client, client_key)

    def send(context, data):
        with (
            contextlib.suppress(OSError),  # a stranger may hear at any moment that it is one
            socket.create_connection(address) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as sender,
        ):
            sender.sendall(data)
            sender.settimeout(20)
            sender.shutdown(socket.SHUT_WR)
            while sender.recv(65536):
                pass

    send(stranger, counted(b"<13>1 - - - - - - stranger"))
    with socket.create_connection(address) as plain:
        plain.sendall(counted(b"<13>1 - - - - - - plain") * 10)
    # More than the socket's buffer, in records of TLS.
    send(known, counted(b"<13>1 - h - - - - line") * 3000)
    wait_for(lambda: it.status()["out"] == 3000)
    assert it.finish() == 0
    assert {p["text"] for p in it.predictions} == {"line"}
    assert it.dead == []


def test_a_certificate_that_is_not_there_is_one_line(bridge, tmp_path):
    tls = {"cert_file": str(tmp_path / "none.pem"), "key_file": str(tmp_path / "none.key")}
    it = bridge(source={"address": "syslog://127.0.0.1:0", "tls": tls})
    with pytest.raises(ConfigError, match=r"none\.pem"):
        it.run()


def test_datagrams(bridge):
    source = {"address": "syslog://127.0.0.1:0", "transport": "udp"}
    it = bridge(source=source, format=FORMAT, limits={"max_line_bytes": 1000}).start()
    address = listening(it)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(100):
            sender.sendto(b"<13>1 - h - - - - two\nlines %d\n" % number, address)
        sender.sendto(b"<13>1 - - - - - - " + b"x" * 2000, address)
        sender.sendto(b"", address)
    wait_for(lambda: len(it.predictions) == 100 and it.dead)
    assert it.finish() == 0
    assert {p["text"] for p in it.predictions} == {f"two\nlines {n}" for n in range(100)}
    assert [letter["code"] for letter in it.dead] == ["OVERSIZED"]


def test_what_the_kernel_drops_is_said(bridge, capfd, server):
    source = {"address": "syslog://127.0.0.1:0", "transport": "udp", "receive_bytes": 4096}
    # A full spool: nothing is taken from the socket.
    source |= {"spool_max_bytes": 4096, "spool_segment_bytes": 1024}
    server.fail("UNAVAILABLE", method="Predict")
    it = bridge(source=source).spawn()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        address = listening(it)
        for _ in range(500):
            sender.sendto(b"<13>1 - - - - - - " + b"x" * 200, address)
        server.heal()
        log = it.folder / "state" / "bridge.log"

        def said():
            sender.sendto(b"<13>1 - - - - - - later", address)
            return "the kernel has dropped" in log.read_text()

        wait_for(said, 120)
    assert it.kill(signal.SIGTERM)[0] == 0


@pytest.mark.slow
def test_the_bridge_is_killed_and_started_again(bridge, server):
    server.delay(0.05, method="Predict")
    given = {
        "source": {"address": "syslog://127.0.0.1:0"},
        "format": FORMAT,
        "cache": {"enabled": False},
        "batching": {"max_events": 8, "commit_seconds": 0.1},
    }
    killed = bridge(**given).spawn()
    sent = [f"<13>1 - h - - - - line {n}".encode() for n in range(1000)]
    with socket.create_connection(listening(killed)) as sender:
        sender.sendall(b"".join(map(counted, sent)))
        spool = killed.folder / "state" / "spool"
        # All of it is in the spool, and only some is scored.
        wait_for(
            lambda: sum(f.read_bytes().count(b"\n") for f in spool.glob("*.lines")) == 1000, 120
        )
        wait_for(lambda: len(killed.predictions) > 50, 120)
        killed.kill()
    assert len(killed.predictions) < 1000
    server.heal()
    rest = bridge(**given).spawn()
    wait_for(lambda: len({p["text"] for p in rest.predictions}) == 1000, 120)
    assert rest.kill(signal.SIGTERM)[0] == 0
    assert len({p["event_id"] for p in rest.predictions}) == 1000
