#!/usr/bin/env bash
# The inside of scripts/fresh.sh: the first process of new namespaces. Makes ROOT the root file system
# (pivot_root: runc refuses to work below chroot), then runs the verbs of the Makefile that are named.
set -euo pipefail
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mkdir -p proc sys dev old
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
pivot_root . old
cd /src
umount -l /old
rmdir /old
hostname fresh
update-ca-certificates >/dev/null 2>&1 || true

mkdir -p "$HOME" "$TMPDIR"
unset failed
net=/run/fresh-net
trap '[ ! -e $net ] || nsenter --net=$net .venv/bin/pybernetes delete >/dev/null 2>&1' EXIT
trap 'exit 130' INT TERM

verb() { # make $1, in a network of its own, and how long it took
  local begun=$SECONDS
  printf '\n== make %s %s\n' "$1" "${2:+ARGS=$2}"
  nsenter --net="$net" make "$1" ARGS="${2:-}" || failed="${failed:-}make $1 "
  printf '== make %s took %d s\n' "$1" $((SECONDS - begun))
}

echo "== make setup (what both commands begin with; the machine's network)"
make setup
touch "$net"
unshare --net="$net" ip link set lo up
for step in "$@"; do
  case $step in
    up)
      verb up
      nsenter --net="$net" kubectl wait --for=condition=Ready node --all --timeout=30s &&
        nsenter --net="$net" kubectl get nodes -o wide || failed="${failed:-}kubectl get nodes "
      ;;
    *) verb "$step" "$ARGS" ;;
  esac
done
[ -z "${failed:-}" ] || { echo "failed: $failed"; exit 1; }
