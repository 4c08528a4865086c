"""The launcher's entry point; what it does is in the package."""

import sys

from stream_bridge.dataflow.launch import main

sys.exit(main())
