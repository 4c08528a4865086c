"""Headers of calls: what users may give, checked without ever showing a value.

Values are often secrets, and the errors of gRPC and `http.client` print them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from serving_client.errors import InputError

# Extra headers for each call, or a function that gives them (a token that is renewed, say).
Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]

_NAME = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")


def checked(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with names in lower case, as gRPC wants them. InputError names the wrong one."""
    found = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name.lower()):
            raise InputError(
                f"{name!r} is no name of a header: letters, digits, '-', '_' and '.' only"
            )
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise InputError(f"header {name!r}: the value must be one line of printable ASCII")
        found[name.lower()] = value
    return found
