# SPDX-License-Identifier: Apache-2.0
"""The images every node has without a registry: pause, busybox and the example web server.

All three are the machine's static busybox; only what they run differs.
"""

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pybernetes.cri.types import Runtime
from pybernetes.images import importer, oci
from pybernetes.images.oci import Entry, ImageConfig

PAUSE = "registry.k8s.io/pause:3.10.2"
WEB = "docker.io/pybernetes/web:1"
BUSYBOX = "docker.io/library/busybox:latest"
_DATA = resources.files("pybernetes.images").joinpath("data")


class BusyboxMissing(Exception):
    """No static busybox on this machine."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """An image of ours: its names and what it runs."""

    names: tuple[str, ...]
    config: ImageConfig
    tools: bool = True  # the usual commands, /etc and /tmp, or only what the entrypoint needs


def _script(name: str) -> tuple[str, ...]:
    """An entrypoint that runs a script of our data folder."""
    return "/bin/sh", "-c", _DATA.joinpath(name).read_text()


_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
IMAGES = (
    Builtin(
        (PAUSE,),
        ImageConfig(entrypoint=_script("pause.sh"), env=_PATH, user="65535:65535"),
        tools=False,
    ),
    Builtin((BUSYBOX, "docker.io/library/busybox:1"), ImageConfig(cmd=("sh",), env=_PATH)),
    Builtin((WEB,), ImageConfig(entrypoint=_script("web.sh"), env=_PATH, ports=("80/tcp",))),
)


def static_busybox() -> Path:
    """The machine's busybox; it must be static, since the images hold nothing else."""
    found = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin:/sbin:/usr/sbin")
    if found is None or b"/ld-" in Path(found).read_bytes()[:4096]:
        raise BusyboxMissing("no static busybox; install it with: apt-get install busybox-static")
    return Path(found)


def entries(image: Builtin, busybox: Path) -> list[Entry]:
    """The files of a built-in image."""
    files = [Entry("bin/busybox", source=busybox, mode=0o755)]
    if not image.tools:
        return [*files, Entry("bin/sh", link="busybox"), Entry("bin/sleep", link="busybox")]
    applets = _DATA.joinpath("applets.txt").read_text().split()
    files += [Entry(f"bin/{name}", link="busybox") for name in applets]
    files += [
        Entry(f"etc/{name}", data=_DATA.joinpath(name).read_bytes()) for name in ("passwd", "group")
    ]
    files += [Entry("tmp", mode=0o1777), Entry("root", mode=0o700), Entry("var/run")]
    return files


def build(image: Builtin, target: Path) -> str:
    """Write the archive of a built-in image; its id."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return oci.build(target, image.names, image.config, entries(image, static_busybox()))


async def ensure(runtime: Runtime, socket: str, folder: Path) -> list[str]:
    """Build and import the built-in images the runtime lacks; the names imported.

    `socket` is the same containerd's; `folder` keeps the archive while it is imported.
    """
    done: list[str] = []
    if runtime.hollow:
        return done
    for image in IMAGES:
        if await runtime.image_status(image.names[0]) is not None:
            continue
        archive = folder / "builtin-image.tar"
        try:
            build(image, archive)
            await importer.load(socket, archive)
        finally:
            archive.unlink(missing_ok=True)
        await importer.wait_present(runtime, image.names[0])
        done += image.names
    return done
