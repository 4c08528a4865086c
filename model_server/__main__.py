"""`model-server --port=8500 --model_name=m --model_base_path=/models/m`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib import metadata

from model_server import flags as command_line
from model_server import logs
from model_server.engine import ENGINES, run_tensorflow_serving
from model_server.errors import StartError, UsageError
from model_server.flags import Flags
from model_server.server import ModelServer

EXIT_FAILURE = 255


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM or SIGINT; the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if "--engine=tensorflow_serving" in words:
            run_tensorflow_serving(words)
        flags, unknown = command_line.parse(words)
        if flags.engine not in ENGINES:
            raise StartError(f"no engine is called {flags.engine}", f"one of {', '.join(ENGINES)}")
    except UsageError as error:
        print(*filter(None, [str(error)]), command_line.usage(), sep="\n")
        return EXIT_FAILURE
    except StartError as error:
        return _fail(error)
    for argument in unknown:
        print(f"unknown argument: {argument}")
    if unknown:
        print(command_line.usage(), flush=True)
    # TensorFlow's own INFO lines would drown ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logs.configure(flags.log_format)
    if flags.version:
        return _print_versions()
    status = _serve(flags)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads inside TensorFlow may still run: leave without waiting for them.
    os._exit(status)


def _serve(flags: Flags) -> int:
    # A byte for each signal, and one when starting failed: waiting for it cannot miss either.
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    failures: list[Exception] = []

    def start() -> None:
        try:
            server.start()
        except Exception as error:
            failures.append(error)
            os.write(wake, b"\0")

    try:
        server = ModelServer(flags)
        threading.Thread(target=start, name="start", daemon=True).start()
        os.read(awake, 1)
        if failures:
            raise failures[0]
    except StartError as error:
        return _fail(error)
    server.stop()
    return 0


def _fail(error: StartError) -> int:
    print(f"Failed to start server. Error: {error}".replace("\n", " "), flush=True)
    if error.remedy:
        print(f"help: {error.remedy}", file=sys.stderr, flush=True)
    return EXIT_FAILURE


def _print_versions() -> int:
    from model_server.runtime import library

    print(f"TensorFlow ModelServer: {metadata.version('livebert')}")
    print(f"TensorFlow Library: {library.version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
