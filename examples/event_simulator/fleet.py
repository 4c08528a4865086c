# ruff: noqa: E501 - one template a line reads as a table
"""The services and what they write on an ordinary day.

Each line of a service's table is `weight severity template`. Many WARN and ERROR lines are here
on purpose (declined cards, bad passwords, slow queries, retries), and so are words that sound like
trouble in lines that are none ("0 corrupted", "fatal=0").
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .templates import Scope, Template


@dataclass(frozen=True)
class Line:
    """One template of one service, with its severity and how often it comes."""

    service: str
    severity: str
    template: Template
    weight: float


@dataclass(frozen=True)
class Service:
    """A service: its hosts, its share of all lines, and its everyday lines.

    `night` multiplies the share between 00:00 and 05:00 UTC, when people sleep and jobs run.
    """

    name: str
    hosts: tuple[str, ...]
    share: float
    night: float
    lines: tuple[Line, ...]


def _service(name: str, hosts: str, share: float, night: float, table: str) -> Service:
    lines = []
    for row in table.strip().splitlines():
        weight, severity, text = row.split(maxsplit=2)
        lines.append(Line(name, severity, Template(text), float(weight)))
    return Service(name, tuple(hosts.split()), share, night, tuple(lines))


SERVICES = (
    _service(
        "edge",
        "edge-01 edge-02 edge-03",
        share=24,
        night=0.5,
        table="""
        50 INFO  {method} {route} 200 {ms:180-90000}B {ms:2-240}ms {ip} "{agent}"
        10 INFO  {method} {route} 304 0B {ms:1-20}ms {ip} "{agent}"
        6  INFO  {method} {route} 302 {ms:180-600}B {ms:2-60}ms {ip} "{agent}"
        7  WARN  {method} {route} 404 {ms:180-900}B {ms:1-30}ms {ip} "{agent}"
        3  WARN  client {ip}:{port} closed connection before response, {method} {route}
        2  WARN  rate limit hit by {ip}: {n:61-140} requests/min, bucket {one:anon|search|api}
        2  ERROR {method} {route} 499 client closed request after {ms:800-9000}ms
        1  ERROR upstream {one:checkout|search|auth} reset keep-alive connection, retried on {host}
        4  INFO  upstream {one:checkout|search|auth|payments} healthy {n:2-3}/3, latency p50 {n:4-20}ms p99 {n:40-220}ms
        2  INFO  tls handshake {ip} TLSv1.3 {one:h2|http/1.1} session reused={one:true|false}
        1  INFO  certificate shop.acme.example expires in {n:22-88} days, next check in {n:1-12} h
        1  INFO  configuration reloaded, {n:40-46} routes, {n:0-3} changed, 0 errors
        1  WARN  blocked {ip} by rule {one:geo|bad-bot|path-scan} on {route}
        1  INFO  access log rotated, {n:200-900} MB, {n:20-90} s
        """,
    ),
    _service(
        "auth",
        "auth-01 auth-02",
        share=11,
        night=0.5,
        table="""
        34 INFO  login ok user={user} ip={ip} method={one:password|passkey|sso} {ms:20-180}ms
        14 INFO  token refreshed user={user} client={one:web|ios|android} ttl={n:10-60}min
        8  WARN  login failed user={user} ip={ip} reason=bad_password attempt={n:1-3}
        3  WARN  login failed user={user} ip={ip} reason=expired_password attempt=1
        2  ERROR second factor rejected user={user} device={hash} code=reused
        3  INFO  password reset mail requested user={user} ip={ip}
        2  WARN  session {trace_id} evicted, user={user} has more than {n:5-8} sessions
        2  INFO  logout user={user} session={trace_id} after {n:2-240} min
        1  WARN  account {user} locked for {n:5-15} min after 5 failures from {ip}
        1  INFO  failed logins last 5 min: {n:0-14}, distinct addresses {n:1-12}, lock-outs {n:0-2}
        1  INFO  signing key {hash} rotated, next in {n:20-30} days
        1  ERROR sso callback refused: state mismatch, client={one:web|ios|android} ip={ip}
        """,
    ),
    _service(
        "checkout",
        "checkout-01 checkout-02 checkout-03",
        share=18,
        night=0.45,
        table="""
        22 INFO  order {order} created user={user} items={n:1-9} total={f:6-420} EUR
        16 INFO  order {order} state {one:NEW->PAID|PAID->PACKED|PACKED->SHIPPED|NEW->CANCELLED}
        14 INFO  cart {hash} priced in {ms:3-90}ms, {n:1-12} lines, voucher={one:none|none|WELCOME5|SUMMER10}
        5  INFO  GET payments/intent/{hash} 200 {ms:20-260}ms trace={trace_id}
        4  WARN  stock for {sku} changed while in cart {hash}, asked {n:2-6} got {n:0-1}
        3  WARN  payments answered slowly: {n:800-2900} ms, budget 3000 ms, trace={trace_id}
        3  ERROR java.lang.IllegalArgumentException: postcode '{n:100-999}' is not valid {trace}
        2  ERROR com.acme.voucher.VoucherExpiredException: voucher {hash} ended {n:1-40} days ago {trace}
        2  ERROR order {order} refused: card declined ({one:insufficient_funds|do_not_honor|expired_card})
        2  WARN  retry 1/3 of POST payments/capture for {order}: connection reset, then ok
        2  INFO  db pool: active={n:2-14} idle={n:20-36} waiting=0 max=50
        1  INFO  heap {n:38-71}% of 2048 MB after {one:young|mixed} gc, pause {n:4-60} ms
        1  INFO  feature '{feature}' switched on for {n:1-100}% of users by {user}
        1  INFO  started build {hash} in {f:6-19} s, profile=prod, fatal=0
        1  WARN  deprecated call {route} by client {agent}
        """,
    ),
    _service(
        "payments",
        "payments-01 payments-02",
        share=9,
        night=0.5,
        table="""
        26 INFO  authorised {bank} {f:6-420} EUR order={order} in {ms:90-900}ms
        14 INFO  captured {bank} {f:6-420} EUR order={order} ref={hash}
        6  WARN  declined {bank} order={order} code={one:05|51|54|61} by issuer
        3  INFO  refund {f:5-180} EUR order={order} ref={hash} by {user}
        2  ERROR 3-D Secure challenge abandoned by customer, order={order} after {n:30-300} s
        2  WARN  gateway {bank} slow: {n:900-2500} ms, circuit closed
        2  INFO  settlement batch {hash}: {n:120-900} items, 0 mismatches
        1  WARN  duplicate webhook {trace_id} from {bank} ignored
        1  INFO  outbound tls to {bank} ok, peer certificate valid {n:30-300} more days
        1  ERROR webhook signature from {ip} not valid, answered 401
        1  INFO  fx rates refreshed, {n:28-34} currencies, {ms:80-700}ms
        """,
    ),
    _service(
        "postgres",
        "pg-primary pg-replica-1 pg-replica-2",
        share=12,
        night=0.9,
        table="""
        20 INFO  checkpoint complete: wrote {ms:80-9000} buffers, write={f:2-50} s, sync={f:0.01-0.6} s
        14 INFO  automatic vacuum of table "shop.public.{table}": removed {ms:10-40000} row versions
        8  INFO  automatic analyze of table "shop.public.{table}" took {f:0.1-9} s
        8  WARN  slow statement {n:500-2400} ms: SELECT * FROM {table} WHERE id = ANY($1)
        5  ERROR duplicate key value violates unique constraint "{table}_pkey", key (id)=({n:1000-99999})
        4  ERROR canceling statement due to user request: UPDATE {table} SET ...
        2  WARN  could not serialize access to {table}, transaction retried
        3  INFO  connection authorized: user={one:checkout|auth|search|report} database=shop
        4  INFO  replica {one:pg-replica-1|pg-replica-2} streaming, lag {n:0-900} ms, slot active
        2  INFO  connections {n:60-190} of 300, idle in transaction {n:0-3}
        2  INFO  page verification of "{table}": {ms:2000-90000} pages, 0 corrupted
        1  INFO  base backup finished, {n:80-140} GB in {n:20-55} min
        1  WARN  temporary file of {n:64-600} MB for sort in report query on {table}
        """,
    ),
    _service(
        "redis",
        "redis-01 redis-02",
        share=6,
        night=0.7,
        table="""
        16 INFO  background saving terminated with success, {ms:40-900} MB in {n:1-9} s
        10 INFO  memory {n:34-68}% of maxmemory, fragmentation {f:1.02-1.35}, evicted {n:0-30} keys
        4  WARN  slowlog: {one:HGETALL|ZRANGE|SMEMBERS|KEYS} {one:cart|session|stock}:{hash} took {n:11-90} ms
        4  INFO  client {inner_ip}:{port} name={one:checkout|auth|search} connected, {n:40-120} clients
        2  WARN  client {inner_ip}:{port} closed for output buffer limit, {n:32-60} MB
        2  INFO  replica {inner_ip}:6379 in sync, offset lag {n:0-2000} bytes
        1  INFO  expired {ms:200-20000} keys in db0, {n:0-2}% stale
        """,
    ),
    _service(
        "search",
        "search-01 search-02",
        share=8,
        night=0.6,
        table="""
        24 INFO  query '{one:red shoes|garden chair|usb cable|rain jacket|coffee|lamp|book}' {n:0-900} hits {ms:3-140}ms shard={n:0-5}
        8  INFO  indexed {ms:10-4000} documents from {topic} in {ms:40-2500}ms
        4  WARN  query '{one:*|a|the}' too broad, cut at 10000 hits, {n:200-900}ms
        3  ERROR cannot parse query '{one:AND shoes|((lamp|"book}' from {ip}: unexpected token
        2  INFO  segment merge {hash}: {n:4-12} segments to 1, {n:80-900} MB
        2  INFO  shards {n:6-6} started, 0 unassigned, disk watermark {n:35-78}% of 90%
        1  WARN  synonym file older than {n:31-60} days
        1  INFO  heap {n:40-74}% of 4096 MB, old gc 0 times in last hour
        """,
    ),
    _service(
        "worker",
        "worker-01 worker-02",
        share=8,
        night=2.2,
        table="""
        24 INFO  job {job} #{n:1000-99999} done in {ms:40-9000}ms, attempt 1
        8  INFO  job {job} #{n:1000-99999} queued, {n:0-60} ahead
        4  WARN  job {job} #{n:1000-99999} attempt {n:1-2} failed ({one:timeout|conflict|http 503}), again in {n:5-60} s
        3  ERROR smtp 550 mailbox unavailable <{user}@mail.example>, mail dropped
        3  INFO  consumed {n:20-900} messages from {topic}, lag {n:0-400}
        1  ERROR image {hash} rejected: not a valid JPEG, uploaded by {user}
        2  INFO  nightly {job}: {ms:400-90000} rows, 0 failed, {n:1-40} min
        1  WARN  dead letter: mail for {order} has no address, parked
        1  INFO  outbox drained, {n:1-300} mails, oldest {n:1-50} s
        """,
    ),
    _service(
        "node",
        "edge-01 edge-02 auth-01 checkout-01 checkout-02 pg-primary pg-replica-1 redis-01 worker-01",
        share=8,
        night=1.2,
        table="""
        12 INFO  filesystem {mount} {n:21-79}% used, {n:18-240} GiB free
        9  INFO  load {f:0.1-3.4} {f:0.1-2.9} {f:0.1-2.4}, memory {n:30-74}% used, swap 0%
        5  INFO  clock offset {one:-|}{f:0-3} ms from ntp-{n:1-3}.acme.internal, stratum 3
        4  WARN  nic eth0: {n:1-20} rx frames dropped in last hour
        3  INFO  systemd: Started {one:logrotate|apt-daily|fstrim|man-db}.service
        3  INFO  sshd: Accepted publickey for {user} from {inner_ip} port {port}
        2  WARN  sshd: Invalid user {one:admin|test|oracle|guest} from {ip} port {port}
        2  ERROR sshd: error: kex_exchange_identification: Connection closed by remote host
        1  WARN  kernel: TCP: request_sock_TCP: Possible SYN flooding on port {one:443|8443}. Sending cookies.
        1  INFO  oom_score_adj of {one:java|postgres|redis-server} set to -{n:400-900}
        1  INFO  logrotate: {mount} rotated {n:4-30} files, freed {n:200-4000} MB
        1  INFO  smartd: /dev/nvme0n1 passed self-check, wear {n:2-40}%, 0 media errors
        1  INFO  resolver: {n:400-9000} queries, {f:0.0-0.9}% servfail, cache {n:70-96}% hit
        """,
    ),
)


class Fleet:
    """Draws ordinary lines: a service by its share, then one of its lines by weight."""

    def __init__(self, services: tuple[Service, ...] = SERVICES):
        self._services = services
        self._day = [s.share for s in services]
        self._night = [s.share * s.night for s in services]
        self._weights = {s.name: [line.weight for line in s.lines] for s in services}
        self._hosts = {s.name: s.hosts for s in services}

    def hosts(self, service: str) -> tuple[str, ...]:
        """The hosts of a service."""
        return self._hosts[service]

    def draw(self, rng: random.Random, hour: float) -> tuple[str, Line, str]:
        """An ordinary line at `hour` of the day (0 to 24): its host, template and message."""
        service = rng.choices(self._services, self._night if hour < 5 else self._day)[0]
        line = rng.choices(service.lines, self._weights[service.name])[0]
        return rng.choice(service.hosts), line, line.template.fill(rng, Scope())
