# SPDX-License-Identifier: Apache-2.0
"""Builds upstream's programs from the Go module proxy: the suite, kubectl, and what its images hold.

Each program is built again only when its module files (or the Kubernetes version) changed. The first build
takes about a quarter of an hour on two cores; Go is needed for this only, never for the product.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from conformance.versions import HERE, KUBERNETES, binaries

_VERSION = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES.split(".")
_STAMPS = {
    "gitVersion": f"v{KUBERNETES}",
    "gitMajor": _MAJOR,
    "gitMinor": _MINOR,
    "gitCommit": "0",
    "gitTreeState": "clean",
}
_LINK = " ".join(["-s -w", *(f"-X {_VERSION}.{key}={value}" for key, value in _STAMPS.items())])


class BuildError(Exception):
    """A program could not be built; one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """`package` in `module` (a folder of conformance/go). `static`: it must run in any image."""

    name: str
    module: str
    package: str
    static: bool = False
    test: bool = False  # a test binary


PROGRAMS = (
    Program("kubectl", "suite", "k8s.io/kubernetes/cmd/kubectl"),
    Program("ginkgo", "suite", "github.com/onsi/ginkgo/v2/ginkgo"),
    Program("e2e.test", "suite", "k8s.io/kubernetes/test/e2e", test=True),
    Program("agnhost", "suite", "k8s.io/kubernetes/test/images/agnhost", static=True),
    Program("nnp", "suite", "k8s.io/kubernetes/test/images/nonewprivs", static=True),
    Program("sample-apiserver", "sample-apiserver", "k8s.io/sample-apiserver", static=True),
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3", static=True),
)


def ensure(*names: str) -> Path:
    """Build what is missing or old (of `names`, by default all); the folder. Raises BuildError."""
    target = binaries()
    target.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        if not names or program.name in names:
            _ensure(program, target)
    return target


def output(name: str, *words: str) -> str:
    """What a built program prints."""
    command = [str(binaries() / name), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _ensure(program: Program, target: Path) -> None:
    stamp = target / f".{program.name}.made-of"
    made_of = _fingerprint(program)
    if (target / program.name).exists() and stamp.exists() and stamp.read_text() == made_of:
        return
    if shutil.which("go") is None:
        raise BuildError("go is missing: the conformance suite is built from Go modules")
    print(f"building {program.name} ({program.package})", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("go.mod", "go.sum", "tools.go"):
            shutil.copy(HERE / "go" / program.module / name, work)
        _compile(program, work, target)
    stamp.write_text(made_of)


def _compile(program: Program, work: Path, target: Path) -> None:
    verb = ["go", "test", "-c"] if program.test else ["go", "build"]
    partial = target / f"{program.name}.partial"
    command = [*verb, "-ldflags", _LINK, "-o", str(partial), program.package]
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false -mod=readonly"}
    if program.static:
        environment["CGO_ENABLED"] = "0"
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = " ".join(done.stderr.split())[-500:]
        raise BuildError(f"{program.name} could not be built: {last}")
    partial.replace(target / program.name)


def _fingerprint(program: Program) -> str:
    folder = HERE / "go" / program.module
    hashed = hashlib.sha256(" ".join([KUBERNETES, _LINK, program.package]).encode())
    for name in ("go.mod", "go.sum"):
        hashed.update((folder / name).read_bytes())
    return hashed.hexdigest()
