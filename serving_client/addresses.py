"""What a user may write as the address of a server.

localhost:8500              gRPC (also with a comma-separated list)
dns:///serving:8500         gRPC to every address behind the name, looked up again as time goes by
unix:/run/serving.sock      gRPC over a UNIX socket
http://localhost:8501       REST; https:// where a proxy adds TLS
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from serving_client.errors import InputError

_EXAMPLE = 'an address looks like "localhost:8500", "dns:///name:8500" or "http://localhost:8501"'


def parse(address: str | Sequence[str]) -> tuple[str, ...]:
    """The single addresses of a user's address or list, checked."""
    parts = address.split(",") if isinstance(address, str) else list(address)
    found = tuple(part.strip() for part in parts if part.strip())
    if not found:
        raise InputError(f"no address given; {_EXAMPLE}")
    rest = [one.startswith(("http://", "https://")) for one in found]
    for one, over_http in zip(found, rest, strict=True):
        if over_http:
            _check_url(one)
        elif not one.startswith("unix:"):
            _host_and_port(one.removeprefix("dns:").lstrip("/"), one)
    if any(rest) and not all(rest):
        raise InputError("the addresses of one client must be all gRPC or all REST")
    return found


def is_rest(addresses: tuple[str, ...]) -> bool:
    """Whether the parsed addresses mean REST."""
    return addresses[0].startswith(("http://", "https://"))


def split(addresses: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
    """Addresses used as they are, and (name, port) pairs to look up."""
    fixed = tuple(one for one in addresses if not one.startswith("dns:"))
    names = tuple(
        _host_and_port(one.removeprefix("dns:").lstrip("/"), one)
        for one in addresses
        if one.startswith("dns:")
    )
    return fixed, names


def server_name(addresses: tuple[str, ...]) -> str | None:
    """The name that certificates are for when addresses come from a lookup."""
    names = split(addresses)[1]
    return names[0][0] if names else None


def is_local(address: str) -> bool:
    """Whether an address stays on this machine, where a proxy has no business."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{url!r} is not an address: {error}; {_EXAMPLE}") from error
    if "@" in parts.netloc:  # not shown: it holds a password
        raise InputError(
            "an address must not hold a user or a password; give the client "
            'headers={"authorization": …}'
        )
    if not host or parts.query or parts.fragment:
        raise InputError(f"{url!r} is not an address; {_EXAMPLE}")


def _host_and_port(text: str, whole: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"{whole!r} is not an address with a port; {_EXAMPLE}")
    in_brackets = host.startswith("[") and host.endswith("]")
    if "/" in host or "[" in host.strip("[]") or (":" in host) != in_brackets:
        raise InputError(f"{whole!r} is not an address; {_EXAMPLE}")
    return host, int(port)
