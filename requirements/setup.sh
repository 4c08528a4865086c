#!/usr/bin/env bash
# Makes a virtual environment with the locked packages and livebert itself: setup.sh VENV
# Finds uv or installs it beside the project; uv finds Python 3.11 or fetches it.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
python=3.11

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
  fail "TFX has wheels for Linux on x86-64 only, this is $(uname -sm); use such a machine or a container"

free_mb=$(df --output=avail -m . | tail -n 1)
[ "$free_mb" -gt 6000 ] || [ -x "$venv/bin/python" ] ||
  fail "6 GB of free disk are needed here, there are $free_mb MB: free some, or clone elsewhere"

PATH="$PWD/.tools/bin:$PATH"
if ! command -v uv >/dev/null; then
  command -v python3 >/dev/null ||
    fail "python3 is missing: apt-get install python3 python3-pip"
  echo "setup: installing uv into .tools"
  if ! python3 -m pip --version >/dev/null 2>&1; then
    fail "neither uv nor pip is here: apt-get install python3-pip, or install uv by its own instructions"
  fi
  python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
    --target .tools uv 2>.tools.log || { cat .tools.log >&2; rm -f .tools.log; fail "pip could not install uv (above)"; }
  rm -f .tools.log
fi

if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
  uv venv --quiet --clear --python "$python" "$venv" ||
    fail "no Python $python: uv could not find or fetch one; install python$python (with its venv module) and try again"
fi

echo "setup: installing $(grep -c '==' requirements/lock.txt) packages into $venv (4 GB, one or two minutes with a quick network)"
# The lock is complete, and TFX's own pins contradict it on purpose: see requirements/overrides.txt.
# Compiled once here: where Python is told to write no bytecode, or may not, every process would compile
# TensorFlow and TFX anew, for 20 seconds.
uv pip install --quiet --python "$venv/bin/python" --compile-bytecode --no-deps -r requirements/lock.txt
uv pip install --quiet --python "$venv/bin/python" --no-deps --editable .
echo "setup: done"
