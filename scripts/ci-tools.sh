#!/usr/bin/env bash
# Tools that only the tests need: golden data from upstream's Go modules (never committed), the
# kubectl of the version that we serve and etcd 3.6 (2 minutes once; kept outside of the tree, by
# version), and the distribution's etcd 3.4.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD

have() { # PROGRAM PACKAGE...: the program, from these packages if it is missing
  command -v "$1" >/dev/null && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${@:2}" >/dev/null
}

command -v go >/dev/null || { echo "ci-tools: go is missing: the golden tests cannot run" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
printf 'module golden\ngo 1.26.0\n' > go.mod
for module in k8s.io/kubernetes@v1.37.1 k8s.io/api@v0.37.1 k8s.io/apiextensions-apiserver@v0.37.1; do
  go mod download "$module"
done
cd "$top"
have cc gcc libc6-dev
have debootstrap debootstrap
.venv/bin/python -c 'from conformance.build import ensure; print(ensure("kubectl", "etcd"))'
have etcd etcd-server
