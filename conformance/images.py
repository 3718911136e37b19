# SPDX-License-Identifier: Apache-2.0
"""The images that the suite's specs use, made here: one archive, the layers they share once in it.

What must be inside them was read from their Dockerfiles in the Go module k8s.io/kubernetes (test/images).
Ours stand on one Debian root instead of Alpine.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.build import BuildError
from conformance.versions import KUBERNETES, binaries, cache
from pybernetes.images import builtin, oci
from pybernetes.images.oci import Entry, ImageConfig, ImageSpec, Layer

E2E = "registry.k8s.io/e2e-test-images"
_PACKAGES = (
    *("bind9-dnsutils", "curl", "netcat-openbsd", "iproute2", "iperf", "socat"),
    *("iputils-ping", "nginx-light", "hostname", "wget", "bash-static"),
)
_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_USELESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt")
_NGINX = """\
daemon off;
error_log /dev/stderr;
events {}
http {
  access_log /dev/stdout;
  server { listen 80; root /usr/share/nginx/html; }
}
"""
_WELCOME = "<html><head><title>Welcome to nginx!</title></head><body>It works.</body></html>\n"
# Variables may have any name now; Debian's older ash drops those that are no identifiers.
_SHELL = """\
#!/bin/bash
while IFS= read -r -d '' pair; do
  [[ ${pair%%=*} =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || exec -a /bin/sh /bin/bash "$@"
done < /proc/self/environ
exec -a /bin/sh /bin/busybox "$@"
"""
_AGNHOST = ImageConfig(
    entrypoint=("/agnhost",),
    cmd=("pause",),
    env=_PATH,
    ports=("80/tcp", "8080/tcp", "8081/tcp", "9376/tcp", "5000/tcp"),
)

Content = Callable[[Path], Iterator[Entry]]
"""The entries of an image's own layer, given the folder of the built programs."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """`names` without registry are below E2E. `base`: "debian", "agnhost" (on Debian) or "" (none)."""

    names: tuple[str, ...]
    config: ImageConfig
    content: Content
    base: str = ""


def _source() -> Path:
    """Upstream's files for its images, in the module cache."""
    base = os.environ.get("GOMODCACHE") or str(Path.home() / "go" / "pkg" / "mod")
    return Path(base) / f"k8s.io/kubernetes@v{KUBERNETES}" / "test" / "images"


def _agnhost(programs: Path) -> Iterator[Entry]:
    root = _debian()
    porter = _source() / "agnhost" / "porter"
    passwd = (root / "etc/passwd").read_text() + "user-defined-in-image:x:1000:1000::/:/bin/sh\n"
    group = (root / "etc/group").read_text() + "user-defined-in-image:x:1000:\n"
    group += "group-defined-in-image:x:50000:user-defined-in-image\n"
    yield Entry("agnhost", source=programs / "agnhost", mode=0o755)
    yield Entry("agnhost-2", link="agnhost")
    yield Entry("uploads")
    yield Entry("usr/bin/netstat", source=builtin.static_busybox(), mode=0o755)
    yield Entry("etc/passwd", data=passwd.encode())
    yield Entry("etc/group", data=group.encode())
    for name in ("localhost.crt", "localhost.key"):
        yield Entry(name, source=porter / name, mode=0o644)


def _pet(name: str) -> Content:
    def content(_programs: Path) -> Iterator[Entry]:
        yield Entry("data.json", data=f'{{"image":"{name}.jpg"}}\n'.encode())
        yield Entry(f"{name}.jpg", data=name.encode())
        if name == "kitten":
            yield Entry("etc/os-release", data=b'NAME="Alpine Linux"\nID=alpine\n')

    return content


def _nginx(_programs: Path) -> Iterator[Entry]:
    yield Entry("etc/nginx/nginx.conf", data=_NGINX.encode())
    yield Entry("usr/share/nginx/html/index.html", data=_WELCOME.encode())


def _busybox(_programs: Path) -> Iterator[Entry]:
    program = builtin.static_busybox()
    yield from builtin.entries(builtin.IMAGES[1], program)
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    names = set(listed.stdout.split()) - {program.name, "sh"}
    yield from (Entry(f"bin/{name}", link="busybox") for name in sorted(names))
    yield Entry("bin/bash", source=_debian() / "bin" / "bash-static", mode=0o755)
    yield Entry("bin/sh", data=_SHELL.encode(), mode=0o755)


def _nothing(_programs: Path) -> Iterator[Entry]:
    yield from ()


def _program(name: str, path: str, mode: int = 0o755) -> Content:
    def content(programs: Path) -> Iterator[Entry]:
        yield Entry(path, source=programs / name, mode=mode)

    return content


_PET = ImageConfig(entrypoint=_AGNHOST.entrypoint, cmd=("test-webserver",), env=_PATH)
RECIPES = (
    Recipe(("agnhost:2.66.1", "agnhost:2.55"), _AGNHOST, _agnhost, "debian"),
    Recipe(("nautilus:1.8",), _PET, _pet("nautilus"), "agnhost"),
    Recipe(("kitten:1.8",), _PET, _pet("kitten"), "agnhost"),
    Recipe(
        ("nginx:1.27.0-2", "nginx:1.28.0-2"),
        ImageConfig(cmd=("nginx",), env=_PATH, ports=("80/tcp",)),
        _nginx,
        "debian",
    ),
    Recipe(("glibc-dns-testing:2.1.1",), ImageConfig(cmd=("bash",), env=_PATH), _nothing, "debian"),
    Recipe(("busybox:1.37.0-2", "busybox:1.36.1-1"), ImageConfig(cmd=("sh",), env=_PATH), _busybox),
    Recipe(
        ("nonewprivs:1.4",),
        ImageConfig(cmd=("nnp",), env=_PATH),
        _program("nnp", "usr/local/bin/nnp", 0o4755),
        "debian",
    ),
    Recipe(
        ("sample-apiserver:1.29.2",),
        ImageConfig(entrypoint=("/sample-apiserver",)),
        _program("sample-apiserver", "sample-apiserver"),
    ),
    Recipe(
        ("registry.k8s.io/etcd:3.7.0-0",),
        ImageConfig(cmd=("etcd",), env=_PATH),
        _program("etcd", "usr/local/bin/etcd"),
        "debian",
    ),
)


def ensure() -> Path:
    """The archive of all images, made if it is missing or older than its parts. Raises BuildError."""
    target = cache() / KUBERNETES / "images.tar"
    parts = [Path(__file__), _debian() / "etc" / "passwd"]
    parts += [binaries() / name for name in ("agnhost", "nnp", "sample-apiserver", "etcd")]
    if target.exists() and target.stat().st_mtime > max(path.stat().st_mtime for path in parts):
        return target
    print("making the suite's images", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        partial = Path(folder) / "images.tar"
        oci.archive(partial, _images(Path(folder)))
        partial.replace(target)
    return target


def _images(folder: Path) -> list[ImageSpec]:
    debian = oci.layer(folder / "debian.tar", oci.folder(_debian()))
    agnhost = oci.layer(folder / "agnhost.tar", _agnhost(binaries()))
    bases: dict[str, list[Layer]] = {"": [], "debian": [debian], "agnhost": [debian, agnhost]}
    found = []
    for number, recipe in enumerate(RECIPES):
        own = agnhost
        if recipe.content is not _agnhost:
            own = oci.layer(folder / f"{number}.tar", recipe.content(binaries()))
        names = [name if "/" in name else f"{E2E}/{name}" for name in recipe.names]
        layers = [*bases[recipe.base], own]
        found.append(ImageSpec(names, recipe.config, layers))
    return found


def _debian() -> Path:
    """A small Debian root with the network tools that specs run. Raises BuildError."""
    key = hashlib.sha256(" ".join(_PACKAGES).encode()).hexdigest()[:12]
    root = cache() / f"debian-{key}"
    if root.exists():
        return root
    if shutil.which("debootstrap") is None:
        raise BuildError("debootstrap is missing: apt-get install debootstrap")
    print("making a Debian root for the suite's images", file=sys.stderr, flush=True)
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
    done = subprocess.run([*command, "bookworm", str(partial)], capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"debootstrap failed: {' '.join(done.stdout.split())[-400:]}")
    for name in _USELESS:
        shutil.rmtree(partial / name, ignore_errors=True)
    partial.rename(root)
    return root
