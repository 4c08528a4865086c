#!/usr/bin/env bash
# Mosquitto, an MQTT broker, from the system's packages. Tests start brokers of their own with it.
set -euo pipefail
[ -x /usr/sbin/mosquitto ] && exit 0
[ "$(id -u)" = 0 ] || { echo "mosquitto: run as root: apt-get install mosquitto" >&2; exit 1; }
echo "mosquitto: installing the broker"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold mosquitto
