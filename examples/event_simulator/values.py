# ruff: noqa: E501, SIM905 - lists of words read better as text
"""The values that fill templates: people, addresses, paths, ids, stack-trace heads."""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST = (
    "ana ben chloe dmitri elif farid grace hana ivan jonas kira liam mei noor omar priya".split()
)
_LAST = "abe bauer costa dahl evans fischer garcia haas ito jensen kaya lopez mori novak".split()
_ROUTES = (
    "/ /cart /checkout /login /account/orders /account/address /search /api/v2/items "
    "/api/v2/items/{} /api/v2/cart/{} /api/v2/orders/{} /api/v2/reviews/{} /api/v1/stock/{} "
    "/static/app.{}.js /img/{}.webp /healthz"
).split()
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5) Mobile Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/142.0",
    "shop-android/7.14.2",
    "shop-ios/7.13.0",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
    "kube-probe/1.33",
)
_TABLES = (
    "orders order_items carts users addresses payments refunds stock reviews sessions coupons "
    "shipments audit_log price_history"
).split()
_JOBS = (
    "send-invoice resize-image reindex-product expire-carts sync-stock export-ledger purge-sessions "
    "warm-cache rotate-logs import-prices send-digest build-sitemap recompute-ratings "
    "archive-orders refresh-fx-rates reconcile-payouts label-shipment vacuum-audit "
    "score-fraud publish-feed compact-events mirror-bucket"
).split()
_TOPICS = "orders.created orders.paid stock.changed mail.outbound search.updates audit".split()
_CLASSES = (
    "cart.CartService cart.PriceCalculator order.OrderAssembler order.StockReservation "
    "address.PostcodeValidator voucher.VoucherParser shipping.RateTable tax.VatResolver "
    "invoice.PdfRenderer session.SessionFilter web.RequestBinder"
).split()
_METHODS = "apply resolve load parse validate render handle reserve merge compute".split()
_FEATURES = (
    "faster product page, new voucher rules, dark mode, gift wrapping, split shipments, "
    "guest checkout, address book, price alerts, wish lists, store pickup, saved carts"
).split(", ")
_BANKS = "visa mastercard amex sepa paypal klarna".split()
_HOSTS = (
    "edge-01 edge-02 edge-03 auth-01 auth-02 checkout-01 checkout-02 checkout-03 payments-01 "
    "payments-02 pg-primary pg-replica-1 pg-replica-2 redis-01 redis-02 search-01 search-02 "
    "worker-01 worker-02"
).split()


def _hex(digits: int) -> Callable[[random.Random], str]:
    return lambda rng: f"{rng.getrandbits(digits * 4):0{digits}x}"


def _of(values: list[str] | tuple[str, ...]) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(values)


def _user(rng: random.Random) -> str:
    return (
        f"{rng.choice(_FIRST)}.{rng.choice(_LAST)}{rng.choice(('', '', str(rng.randint(1, 99))))}"
    )


def _route(rng: random.Random) -> str:
    return rng.choice(_ROUTES).format(rng.randint(1000, 99999))


def _trace(rng: random.Random) -> str:
    place = rng.choice(_CLASSES)
    file = place.rsplit(".", 1)[1]
    return f"at com.acme.{place}.{rng.choice(_METHODS)}({file}.java:{rng.randint(20, 480)})"


VALUES: dict[str, Callable[[random.Random], str]] = {
    "agent": _of(_AGENTS),
    "bank": _of(_BANKS),
    "feature": _of(_FEATURES),
    "hash": _hex(8),
    "host": _of(_HOSTS),
    "inner_ip": lambda rng: f"10.{rng.randint(0, 7)}.{rng.randint(0, 255)}.{rng.randint(2, 254)}",
    "ip": lambda rng: (
        f"{rng.randint(31, 213)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    ),
    "job": _of(_JOBS),
    "method": lambda rng: rng.choices(("GET", "POST", "PUT", "DELETE"), (80, 14, 4, 2))[0],
    "mount": _of(("/", "/var", "/var/log", "/data", "/tmp", "/srv/spool")),  # noqa: S108 - a name
    "order": lambda rng: f"A{rng.randint(200000, 999999)}",
    "port": lambda rng: str(rng.randint(32768, 60999)),
    "route": _route,
    "sku": lambda rng: f"{rng.choice('BCDFGHKLMNPRST')}{rng.randint(1000, 9999)}",
    "table": _of(_TABLES),
    "topic": _of(_TOPICS),
    "trace": _trace,
    "trace_id": _hex(16),
    "user": _user,
}
