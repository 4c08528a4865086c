"""What a Flex Template's launcher runs: the parameters of a job to the job.

The launcher gives each parameter as ``--NAME=VALUE``, and beside them the options of the job itself
(``--project``, ``--region``, ``--job_name``, ``--temp_location`` and so on), which go to Beam.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from stream_bridge.config.loading import load_config
from stream_bridge.dataflow.job import run_job
from stream_bridge.errors import BridgeError


def main(argv: Sequence[str] | None = None) -> int:
    """Submits the job; returns the exit code: 0 submitted, else 1 or 2 as `stream-bridge`."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="launch", description="A bridge as a Dataflow job.")
    parser.add_argument("--config", required=True, help="the bridge, in YAML; gs://… too")
    parser.add_argument("--set", default="", help="A.B=C;D=E: overrides keys of the config")
    args, options = parser.parse_known_args(argv)
    overrides = ["engine=dataflow", *(each for each in args.set.split(";") if each)]
    try:
        return run_job(load_config(args.config, overrides), launcher=options, say=logging.info)
    except BridgeError as error:
        logging.error("%s", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
