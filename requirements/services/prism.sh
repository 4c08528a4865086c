#!/usr/bin/env bash
# Prism, Beam's runner for one machine: one Go binary in .tools/prism. Needs Go.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=2.77.0
[ -x .tools/prism/prism ] && exit 0
command -v go >/dev/null || { echo "prism: go is missing: apt-get install golang" >&2; exit 1; }
GOBIN="$PWD/.tools/prism" go install -ldflags="-s -w" "github.com/apache/beam/sdks/v2/go/cmd/prism@v$version"
echo "prism: $version is in .tools/prism"
