"""`serving-client` and `python -m serving_client`."""

from __future__ import annotations

import io
import os
import sys


def main() -> int:
    """Run the command line with the process's arguments; returns the exit code."""
    # gRPC logs each lost connection to stderr; the commands say what matters themselves.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Items and results are UTF-8 whatever the locale; a byte that is none must not end the run.
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    from serving_client.cli.commands import run

    return run(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(main())
