# ruff: noqa: E501 - one template a line reads as a table
"""Incidents: what goes wrong, and the lines by which it shows.

Each line of an incident's table is `weight service severity template`. A good part of the lines is
INFO, and each kind has one that is worded exactly as an everyday line and differs by a number only.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .fleet import Fleet, Line
from .templates import Scope, Template


@dataclass(frozen=True)
class Kind:
    """One kind of incident and its abnormal lines."""

    name: str
    lines: tuple[Line, ...]


def _kind(name: str, table: str) -> Kind:
    lines = []
    for row in table.strip().splitlines():
        weight, service, severity, text = row.split(maxsplit=3)
        lines.append(Line(service, severity, Template(text), float(weight)))
    return Kind(name, tuple(lines))


KNOWN = (
    _kind(
        "disk-full",
        """
        3 node     WARN  filesystem {@mount} will be full in {n:2-50} min at {n:40-400} MB/min
        3 node     INFO  tmp cleaner found nothing left to delete on {@mount}, asked for {n:2-40} GB
        1 node     INFO  filesystem {@mount} {rise:91-100}% used, {n:0-3} GiB free
        3 postgres ERROR could not extend file "base/16401/{n:10000-99999}": No space left on device
        2 worker   ERROR job {job} #{n:1000-99999} cannot write /srv/spool/{hash}.tmp: No space left on device
        2 redis    WARN  background saving error: Write error saving DB on disk
        2 search   INFO  index {topic} made read-only, disk over flood watermark {rise:91-99}%
        """,
    ),
    _kind(
        "memory-leak",
        """
        3 checkout ERROR java.lang.OutOfMemoryError: Java heap space {trace}
        3 checkout WARN  gc overhead {rise:40-95}% of cpu time in last minute, reclaimed {n:1-20} MB
        3 checkout INFO  allocation stalled {n:900-9000} ms, waiting for the garbage collector
        3 node     ERROR kernel: Out of memory: Killed process {n:900-40000} (java) total-vm:{n:5000000-9000000}kB
        2 node     INFO  systemd: checkout.service: Scheduled restart job, restart counter is at {rise:1-30}
        2 edge     ERROR {method} {route} 502 bad gateway from checkout after {n:3000-30000}ms {ip}
        1 edge     INFO  upstream checkout healthy {n:0-1}/3, latency p50 {n:900-4000}ms p99 {n:9000-30000}ms
        """,
    ),
    _kind(
        "certificate-expiry",
        """
        3 edge     ERROR tls handshake {ip} failed: alert certificate expired
        2 edge     WARN  acme renewal of shop.acme.example failed: {one:dns-01|http-01} challenge {n:400-403}
        1 edge     INFO  certificate shop.acme.example expires in 0 days, next check in {n:1-12} h
        3 payments ERROR outbound tls to {@bank} failed: certificate has expired (notAfter {n:1-50} min ago)
        2 payments INFO  payment method {@bank} hidden from customers, its certificate is not trusted
        3 checkout ERROR javax.net.ssl.SSLHandshakeException: PKIX path validation failed {trace}
        2 auth     WARN  sso metadata of {one:corp|partner} signed with an expired certificate, kept old
        """,
    ),
    _kind(
        "pool-exhaustion",
        """
        3 checkout ERROR connection is not available, request timed out after {n:30000-30090} ms {trace}
        3 checkout INFO  waited {n:4000-29000} ms for a connection, {rise:8-400} threads ahead in the queue
        1 checkout INFO  db pool: active=50 idle=0 waiting={rise:8-400} max=50
        3 postgres ERROR remaining connection slots are reserved for superuser connections
        2 postgres WARN  {rise:60-250} sessions idle in transaction, oldest {n:4-90} min, holding locks on {table}
        2 auth     WARN  login stalled user={user} ip={ip}, no connection to session store for {n:8-30} s
        2 edge     ERROR {method} /checkout 504 gateway timeout from checkout after {n:30000-30900}ms {ip}
        """,
    ),
    _kind(
        "replication-lag",
        """
        3 postgres WARN  replica {@one:pg-replica-1|pg-replica-2} slot retains {rise:9-90} GB of write-ahead log, consumer too slow
        3 postgres INFO  replay on {@one:pg-replica-1|pg-replica-2} paused behind a long query on {table}, falling behind
        1 postgres INFO  replica {@one:pg-replica-1|pg-replica-2} streaming, lag {rise:40000-900000} ms, slot active
        2 postgres ERROR canceling statement due to conflict with recovery on {table}
        3 checkout WARN  order {order} not found on replica, read again from primary
        2 checkout ERROR order {order} written twice, customer {user} saw a stale page
        2 checkout INFO  reading {table} from primary for now, replica too far behind
        """,
    ),
    _kind(
        "credential-stuffing",
        """
        4 auth     WARN  login failed user={user}@{one:mail|web|post}.example ip={ip} reason=unknown_user attempt=1
        3 auth     INFO  login ok user={user} ip={ip} method=password {ms:20-180}ms new_country=true new_device=true
        2 auth     INFO  captcha shown to {rise:40-900} clients from hosting networks, {n:0-9} solved
        1 auth     INFO  failed logins last 5 min: {rise:400-9000}, distinct addresses {rise:300-5000}, lock-outs {n:40-400}
        3 edge     INFO  POST /login 200 {ms:180-900}B {ms:2-60}ms {ip} "python-requests/2.{n:20-32}"
        2 edge     WARN  rate limit hit by {ip}: {n:900-6000} requests/min, bucket login
        2 checkout INFO  account {user} changed mail, address and phone within {n:10-50} s
        """,
    ),
)
"""The kinds that happen from the start."""

NEW = (
    _kind(
        "dns-failure",
        """
        4 checkout ERROR java.net.UnknownHostException: payments.acme.internal {trace}
        3 node     INFO  resolver: {n:400-9000} queries, {f:38-97}% servfail, cache {n:1-20}% hit
        3 worker   ERROR job {job} #{n:1000-99999}: Temporary failure in name resolution
        2 edge     ERROR no live upstreams while connecting, host not found: {one:checkout|auth|search}.acme.internal
        2 auth     WARN  sso provider lookup took {n:5000-15000} ms, answered from stale record
        1 redis    WARN  failed to resolve hostname of replica {@one:redis-01|redis-02}
        """,
    ),
    _kind(
        "clock-skew",
        """
        4 node     INFO  clock offset {rise:4000-90000} ms from ntp-{n:1-3}.acme.internal, stratum 16
        3 auth     ERROR token rejected user={user}: issued in the future by {n:4-90} s
        3 auth     WARN  one-time code window drifted {n:3-9} steps for user={user}
        2 payments ERROR signature of {bank} request {hash} outside of time window
        2 postgres WARN  commit timestamp went backwards by {n:4000-90000} ms on {table}
        1 worker   INFO  nightly {job} ran again, last run lies {n:2-80} s ahead
        """,
    ),
    _kind(
        "bad-release",
        """
        4 checkout ERROR com.fasterxml.jackson.databind.JsonMappingException: unknown property 'netPriceMinor' {trace}
        3 checkout INFO  cart {hash} priced in {ms:3-90}ms, {n:1-12} lines, total 0.00 EUR
        3 worker   WARN  message {trace_id} of {topic} has schema version 9, this build reads up to 8
        2 postgres ERROR column {one:net_price|gift_note|pickup_id} of relation "{table}" does not exist
        2 search   WARN  {n:40-900} documents without price skipped from {topic}
        1 edge     ERROR {method} /cart 500 {ms:180-600}B {ms:2-240}ms {ip} "{agent}"
        """,
    ),
    _kind(
        "packet-loss",
        """
        4 node     WARN  nic eth0: {rise:9000-400000} rx frames dropped in last hour
        3 redis    ERROR cluster node {inner_ip}:6379 marked as failing, quorum {n:1-2}/3
        3 payments WARN  gateway {bank} unreachable from {host}: {n:20-70}% loss, circuit half-open
        2 node     ERROR bond0: link of eth1 flapped {rise:4-60} times, speed now 100 Mbps
        2 edge     WARN  upstream {one:checkout|search|auth} retransmits {n:8-40}% of segments
        1 postgres ERROR terminating walsender process due to replication timeout
        """,
    ),
)
"""The kinds that happen only after the switch `--new-incidents-after`."""


class Incident:
    """One incident under way: it lasts for `length` lines, of which it raises about `share`."""

    def __init__(self, kind: Kind, length: int, share: float, fleet: Fleet, rng: random.Random):
        self.kind = kind
        self._length = length
        self._share = share
        self._passed = 0
        self._scope = Scope()
        self._weights = [line.weight for line in kind.lines]
        services = sorted({line.service for line in kind.lines})
        self._hosts = {service: rng.choice(fleet.hosts(service)) for service in services}

    @property
    def over(self) -> bool:
        """True once the incident has ended."""
        return self._passed >= self._length

    def strikes(self, rng: random.Random) -> bool:
        """Count one more line of the fleet; True when this incident is to raise it."""
        self._passed += 1
        self._scope.progress = self._passed / self._length
        return rng.random() < self._share

    def draw(self, rng: random.Random) -> tuple[str, Line, str]:
        """An abnormal line: its host, template and message."""
        line = rng.choices(self.kind.lines, self._weights)[0]
        return self._hosts[line.service], line, line.template.fill(rng, self._scope)
