"""The flags of each command: flag before environment before default."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

EXIT_CODES = """\
exit codes: 0 done; 1 some of many items failed; 2 wrong usage; 3 the request is wrong
(INVALID_ARGUMENT, FAILED_PRECONDITION, …); 4 not found; 5 the server is away or too slow;
6 any other failure; 130 interrupted
"""


def parse(argv: list[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The arguments of one command; ends the process with usage and code 2 if they are wrong."""
    root = parser(environment)
    arguments, late = root.parse_known_args(argv)
    # argparse takes no items after a flag (`predict m --json ITEM`): take them here.
    if late and (not hasattr(arguments, "items") or any(each.startswith("-") for each in late)):
        root.error(f"unrecognized arguments: {' '.join(late)}")
    if late:
        arguments.items.extend(late)
    return arguments


def parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The whole command line; `SERVING_ADDRESS` in the environment is the default address."""
    root = argparse.ArgumentParser(
        prog="serving-client",
        description="Ask a TF Serving, without TensorFlow. Results are JSON lines on stdout.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    default = environment.get("SERVING_ADDRESS", "localhost:8500")
    _predict(commands, default)
    for name in ("classify", "regress"):
        _examples(commands, name, default)
    _metadata(commands, default)
    _status(commands, default)
    _wait(commands, default)
    _reload(commands, default)
    _label(commands, default)
    _bench(commands, default)
    return root


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _command(commands: Commands, name: str, default: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    made.add_argument(
        "--address",
        default=default,
        help="host:8500, several with commas, dns:///name:8500 or http://host:8501 "
        "(default: $SERVING_ADDRESS or localhost:8500)",
    )
    made.add_argument("--timeout", type=float, metavar="SECONDS", help="total deadline of a call")
    made.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="send a header, such as authorization=…; NAME=@FILE reads the value from a file and "
        "so keeps a secret out of the list of processes; may be repeated",
    )
    tls = made.add_argument_group("TLS")
    tls.add_argument("--tls", action="store_true", help="use TLS with the system's roots")
    tls.add_argument("--tls-root", type=Path, metavar="PEM", help="root certificates")
    tls.add_argument("--tls-cert", type=Path, metavar="PEM", help="client certificate")
    tls.add_argument("--tls-key", type=Path, metavar="PEM", help="client key")
    tls.add_argument("--tls-name", metavar="NAME", help="name to expect in the certificate")
    return made


def _target(made: argparse.ArgumentParser) -> None:
    made.add_argument("model")
    made.add_argument("--version", type=int, help="a version instead of the latest")
    made.add_argument("--label", help="a version label instead of a version")


def _items(made: argparse.ArgumentParser, what: str) -> None:
    made.add_argument("items", nargs="*", metavar="ITEM", help=f"{what}; none: lines of stdin")
    made.add_argument("--file", type=Path, help="read lines from a file instead")
    made.add_argument("--signature", help="a signature instead of serving_default")


def _predict(commands: Commands, default: str) -> None:
    made = _command(commands, "predict", default, "ask a model for predictions")
    _target(made)
    _items(made, "one text each (JSON with --json)")
    made.add_argument(
        "--json",
        action="store_true",
        help='items are JSON: a value, or an object of input name to value ({"b64": …} for bytes)',
    )
    made.add_argument("--output", action="append", help="an output to return; may be repeated")
    made.add_argument("--batch-size", type=int, default=64, help="items in one call (default: 64)")
    made.add_argument("--in-flight", type=int, default=4, help="calls at a time (default: 4)")


def _examples(commands: Commands, name: str, default: str) -> None:
    made = _command(commands, name, default, f"{name} tf.Examples")
    _target(made)
    _items(made, "a JSON object of features each")
    made.add_argument("--context", metavar="JSON", help="features that all examples share")


def _metadata(commands: Commands, default: str) -> None:
    made = _command(commands, "metadata", default, "show a model's signatures")
    _target(made)
    made.add_argument("--json", action="store_true", help="as JSON")


def _status(commands: Commands, default: str) -> None:
    made = _command(commands, "status", default, "list the versions of a model")
    made.add_argument("model")
    made.add_argument("--version", type=int, help="this version only")


def _wait(commands: Commands, default: str) -> None:
    made = _command(commands, "wait", default, "wait until a model can be asked")
    made.add_argument("model")
    made.add_argument("--version", type=int, help="wait for this version")
    made.set_defaults(timeout=60.0)


def _reload(commands: Commands, default: str) -> None:
    made = _command(
        commands, "reload", default, "let the server take over a model_config_file as a whole"
    )
    made.add_argument("config", type=Path, help="in TF Serving's text format")
    made.add_argument("--metric", action="append", default=[], help="report a metric's increase")


def _label(commands: Commands, default: str) -> None:
    made = _command(
        commands, "label", default, "point a version label at a version, in a model_config_file"
    )
    made.add_argument("model")
    made.add_argument("label")
    made.add_argument("version", type=int, nargs="?", help="none with --remove")
    made.add_argument("--remove", action="store_true", help="remove the label")
    made.add_argument(
        "--config",
        type=Path,
        required=True,
        help="the server's model_config_file; rewritten, comments lost, once the server has "
        "accepted the change",
    )


def _bench(commands: Commands, default: str) -> None:
    made = _command(commands, "bench", default, "measure a model under load")
    _target(made)
    _items(made, "one text each (JSON with --json), sent in turn")
    made.add_argument("--json", action="store_true", help="items are JSON")
    made.add_argument("--batch-size", type=int, default=1, help="items in one call (default: 1)")
    load = made.add_mutually_exclusive_group()
    load.add_argument(
        "--concurrency", type=int, help="calls under way, each next one on an answer (default: 8)"
    )
    load.add_argument("--rate", type=float, help="calls per second, sent whatever the answers do")
    made.add_argument("--seconds", type=float, default=10.0, help="how long (default: 10)")
    made.add_argument("--warmup", type=float, default=2.0, help="seconds not counted (default: 2)")
    made.add_argument("--report", choices=("table", "json"), default="table")
