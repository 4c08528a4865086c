#!/usr/bin/env bash
# kcat, from the system's packages: sends to Kafka topics and shows what they hold.
set -euo pipefail
if command -v kcat >/dev/null; then
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "kcat: run as root: apt-get install kcat" >&2; exit 1; }
echo "kcat: installing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends kcat
