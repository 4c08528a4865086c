#!/usr/bin/env bash
# A Pub/Sub server for tests, from Google's own Go module, see pubsub/main.go: in .tools/pubsub. Needs Go 1.26.
set -euo pipefail
cd "$(dirname "$0")/pubsub"
binary=../../../.tools/pubsub/pubsub
[ -x "$binary" ] && [ "$binary" -nt main.go ] && [ "$binary" -nt go.sum ] && exit 0
command -v go >/dev/null || { echo "pubsub: go is missing: install Go 1.26, by its own instructions" >&2; exit 1; }
go build -ldflags="-s -w" -o "$binary" .
echo "pubsub: a server is in .tools/pubsub"
