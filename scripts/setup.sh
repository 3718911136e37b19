#!/usr/bin/env bash
# Prepares this machine: a virtual environment in .venv, and (as root on a Debian-like system) the
# packages that real containers need. Safe to run again; does nothing where nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

PYTHON=${PYTHON:-python3}
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  say "setup: $PYTHON is missing or older than 3.11: install Python 3.11 or newer, or set PYTHON"
  exit 1
fi

packages() { # the packages whose programs this machine lacks
  export PATH="$PATH:/usr/sbin:/sbin"
  command -v containerd >/dev/null || echo containerd
  command -v runc >/dev/null || echo runc
  command -v nft >/dev/null || echo nftables
  command -v ip >/dev/null || echo iproute2
  command -v iptables >/dev/null || echo iptables # the portmap CNI plugin calls it
  command -v conntrack >/dev/null || echo conntrack
  command -v mount >/dev/null || echo mount
  ls /usr/lib/cni/bridge /opt/cni/bin/bridge /usr/libexec/cni/bridge >/dev/null 2>&1 || [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || echo containernetworking-plugins
  { command -v busybox >/dev/null && ! grep -aq '/ld-' "$(command -v busybox)"; } || echo busybox-static
  "$PYTHON" -c 'import ensurepip' 2>/dev/null || echo python3-venv
}

missing=$(packages | sort -u | tr '\n' ' ')
if [ -n "${missing// /}" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "setup: installing $missing"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      say "setup: apt-get could not install $missing"
      exit 1
    fi
    rm -f "$log"
  else
    say "setup: for real containers run as root: apt-get install $missing(without them nodes are hollow)"
  fi
fi

stamp=.venv/.pybernetes-setup
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ hatch_build.py -nt "$stamp" ]; then
  say "setup: Python packages into .venv"
  "$PYTHON" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
  touch "$stamp"
fi
