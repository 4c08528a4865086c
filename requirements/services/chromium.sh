#!/usr/bin/env bash
# Makes Debian's chromium, with its driver, startable: the review page is tested in it.
set -euo pipefail

if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
  exit 0
fi
command -v apt-get >/dev/null || { echo "chromium: install chromium and chromium-driver, apt-get is not here" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "chromium: run as root, or apt-get install chromium chromium-driver" >&2; exit 1; }
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null
echo "chromium: $(chromium --version)"
