#!/usr/bin/env bash
# Tries what the README promises in a bare Debian: `make up` and `make test` in a new root made by
# debootstrap, with its own processes and mounts, and, once everything is installed, with a network of
# its own, so that clusters of this machine are not disturbed. Ends with a summary; leaves nothing behind.
#
#   scripts/fresh.sh            both commands (all tests: minutes)
#   scripts/fresh.sh up         `make up` only
#   scripts/fresh.sh lab        `make up`, then the lab's end-to-end tests
#   scripts/fresh.sh test ARGS  `make up`, then `make test ARGS="ARGS"`
#
# Needs root, debootstrap and a kubectl. The base system is kept in ~/.cache/pybernetes (once ~1 min).
set -euo pipefail
cd "$(dirname "$0")/.."
suite=bookworm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pybernetes
base=$cache/fresh-$suite.tar
what=${1:-all}
[ $# -gt 0 ] && shift

say() { printf 'fresh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root: it makes a root file system, mounts and namespaces"
for program in debootstrap kubectl pivot_root unshare; do
  command -v "$program" >/dev/null || die "$program is missing"
done

mirror() { # where this machine's own packages come from; nothing to say here if it is no Debian
  apt-get indextargets --format '$(CREATED_BY) $(CODENAME) $(REPO_URI)' 2>/dev/null |
    awk -v suite="$suite" '$1 == "Packages" && $2 == suite { print $3; exit }'
}

make_base() { # a minimal Debian, in a tar file
  say "making the base system ($base)"
  mkdir -p "$cache"
  local root
  root=$(mktemp -d "$cache/base.XXXXXX")
  # shellcheck disable=SC2046
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,make,git \
    "$suite" "$root" $(mirror) >"$cache/debootstrap.log" 2>&1 || {
    tail -n 5 "$cache/debootstrap.log" >&2
    rm -rf "$root"
    die "debootstrap failed: see $cache/debootstrap.log"
  }
  rm -rf "$root"/var/cache/apt/archives/*.deb
  tar -C "$root" -cf "$base.part" .
  mv "$base.part" "$base"
  rm -rf "$root"
}

carry() { # this machine's certificates, apt and pip configuration, name servers and kubectl
  local path
  for path in /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates /etc/pip.conf \
    /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d \
    /etc/apt/keyrings /etc/apt/trusted.gpg.d /etc/apt/preferences.d /etc/resolv.conf /etc/hosts \
    "$HOME/.config/pip" "$HOME/.pip" "${PIP_FIND_LINKS:-/nowhere}"; do
    if [ -e "$path" ]; then
      mkdir -p "$root$(dirname "$path")"
      rm -rf "${root:?}$path"
      cp -aL "$path" "$root$path"
    fi
  done
  install -m 755 "$(command -v kubectl)" "$root/usr/local/bin/kubectl"
  for path in "$cache"/conformance/*/bin/kubectl; do # of another version, for the tests
    [ -e "$path" ] || continue
    install -D -m 755 "$path" "$root/root/${root##*.}/.cache/pybernetes/${path#"$cache"/}"
  done
  git ls-files -z --cached --others --exclude-standard |
    tar --null --ignore-failed-read -T - -cf - | tar -C "$root/src" -xf -
}

started=$SECONDS
[ -e "$base" ] || make_base
root=$(mktemp -d "${TMPDIR:-/tmp}/pybernetes-fresh.XXXXXX")
finish() {
  code=$?
  rm -rf "$root" || say "left behind: $root"
  exit "$code"
}
trap finish EXIT
tar -C "$root" -xf "$base"
mkdir -p "$root/src"
carry
case $what in
  up) steps=up ;;
  all) steps="up test" ;;
  test) steps="up test" ;;
  lab) steps="up e2e"; set -- -k e2e_lab ;;
  *) die "unknown: $what (up, test, lab or nothing)" ;;
esac

# Processes, mounts, host name and IPC of its own; all of them end with the last command. Home and
# temporary files have names of their own: cgroups are named after the data directory.
own=${root##*.}
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  HOME="/root/$own" TMPDIR="/tmp/$own" ARGS="$*" \
  $(env | grep -E '^(PIP_|SSL_CERT_FILE=|REQUESTS_CA_BUNDLE=|[a-z]+_proxy=|[A-Z]+_PROXY=)' || true) \
  unshare --mount --pid --fork --uts --ipc --kill-child \
  bash scripts/fresh-inside.sh "$root" $steps && code=0 || code=$?
took=$((SECONDS - started))
[ "$code" = 0 ] && say "$what: works on a bare Debian, $took s" || say "$what: failed, $took s"
exit "$code"
