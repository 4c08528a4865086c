#!/usr/bin/env bash
# PostgreSQL's server programs, from the system's packages. Tests start servers of their own with them.
set -euo pipefail
if compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "postgresql: run as root: apt-get install postgresql" >&2; exit 1; }
echo "postgresql: installing the server"
export DEBIAN_FRONTEND=noninteractive
# No cluster and no service: only the programs.
mkdir -p /etc/postgresql-common
grep -qs '^create_main_cluster' /etc/postgresql-common/createcluster.conf ||
  echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold postgresql
