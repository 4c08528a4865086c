#!/usr/bin/env bash
# libfaketime, from the system's packages: a process sees another time of day.
set -euo pipefail
if compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null; then
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "faketime: run as root: apt-get install faketime" >&2; exit 1; }
echo "faketime: installing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends faketime
