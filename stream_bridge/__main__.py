"""The command `stream-bridge`: `run` scores a stream, `check` compares config and server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stream_bridge.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from stream_bridge.config.bridge import BridgeConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0 done, 1 failed, 2 config or server do not fit."""
    args = _parser().parse_args(argv)
    # gRPC's C core reports each lost connection on stderr; the bridge says it in its own words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        return args.command(args)
    except BridgeError as error:
        sys.stderr.write(f"stream-bridge: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stream-bridge", description="Live events in, predictions out, nothing lost."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", required=True, metavar="FILE", help="the bridge, in YAML")
    common.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=C",
        dest="overrides",
        help="overrides a key of the config; may be given several times",
    )
    run = commands.add_parser(
        "run",
        parents=[common],
        help="score a stream; goes on where the last run stopped",
        description="Scores a stream. Ctrl-C or SIGTERM finishes what was read; a second one "
        "hands it back. A next run with the same config goes on where this one stopped.",
    )
    run.add_argument(
        "--from-start", action="store_true", help="forget the kept position of the source"
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="with engine dataflow: build and check the job's graph, and submit nothing",
    )
    run.add_argument("--quiet", action="store_true", help="no live table, only the closing line")
    run.set_defaults(command=_run)
    replay = commands.add_parser(
        "replay",
        parents=[common],
        help="score dead letters again",
        description="Scores dead letters again, with the config's format, server and sinks, and "
        "marks them in FILE.replayed. Those that were marked before are left out.",
    )
    replay.add_argument(
        "--from",
        dest="letters",
        metavar="FILE",
        help="the dead letters; default: the config's own sink of dead letters",
    )
    replay.add_argument("--code", action="append", default=[], help="only these codes")
    replay.add_argument("--stage", action="append", default=[], help="only these stages")
    replay.add_argument("--since", metavar="TIME", help="last attempt then or later (ISO 8601)")
    replay.add_argument("--until", metavar="TIME", help="last attempt before that (ISO 8601)")
    replay.add_argument("--quiet", action="store_true", help="no live table")
    replay.set_defaults(command=_replay, from_start=True)
    check = commands.add_parser(
        "check",
        parents=[common],
        help="compare the config with server, source and sinks",
        description="Compares the config with the server (model, version, signature, outputs), "
        "and looks whether source and sinks are there.",
    )
    check.set_defaults(command=_check)
    return parser


def _run(args: argparse.Namespace) -> int:
    from stream_bridge.config.loading import load_config

    config = load_config(args.config, args.overrides)
    if config.engine == "dataflow":
        from stream_bridge.dataflow.job import run_job

        return run_job(config, dry_run=args.dry_run)
    if args.dry_run:
        raise ConfigError("--dry-run is for engine dataflow; see stream-bridge check")
    return _run_bridge(config, args)


def _replay(args: argparse.Namespace) -> int:
    from stream_bridge.config.loading import load_config
    from stream_bridge.replay import replay_config

    config = replay_config(
        load_config(args.config, args.overrides),
        letters=args.letters,
        codes=args.code,
        stages=args.stage,
        since=args.since,
        until=args.until,
    )
    return _run_bridge(config, args)


def _run_bridge(config: BridgeConfig, args: argparse.Namespace) -> int:
    from stream_bridge.logs import log_to

    try:
        config.state_dir.mkdir(parents=True, exist_ok=True)
        log_to(config.state_dir / "bridge.log", config.monitoring.logs)
    except OSError as error:
        raise ConfigError(f"state_dir: {config.state_dir}: {error.strerror}") from error
    from stream_bridge.run import run

    if args.quiet or not sys.stdout.isatty():
        return run(config, from_start=args.from_start)
    from rich.live import Live

    from stream_bridge.live_table import render

    with Live(auto_refresh=False) as live:
        return run(
            config,
            from_start=args.from_start,
            show=lambda status: live.update(render(status), refresh=True),
        )


def _check(args: argparse.Namespace) -> int:
    from stream_bridge.config.loading import load_config

    config = load_config(args.config, args.overrides)
    from stream_bridge.ends_check import check_sinks, check_source
    from stream_bridge.server_check import check_server

    looks = (check_server, check_source, check_sinks)
    if config.engine == "dataflow":
        # What its workers see this machine may not.
        looks = (check_server,)
    for look in looks:
        for line in look(config):
            sys.stdout.write(line + "\n")
    if config.engine == "dataflow":
        from stream_bridge.dataflow.job import run_job

        return run_job(config, dry_run=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
