# SPDX-License-Identifier: Apache-2.0
"""Import of image archives into containerd, through its own `ctr` (CRI has no import)."""

import asyncio
import re
import shutil
from pathlib import Path

from pybernetes.cri.containerd import Containerd
from pybernetes.cri.types import Image, Runtime

NAMESPACE = "k8s.io"
POLL = 0.02
LOADED = "pybernetes.dev/loaded"  # label of images that came by hand, from no registry
_NAMES = re.compile(r"^unpacking (\S+) \(", re.MULTILINE)


class ImportFailed(Exception):
    """ctr refused the archive, or it is not there; the text is ctr's."""


async def load(socket: str, archive: Path) -> list[str]:
    """Import an OCI or Docker archive into the containerd behind `socket`; the images' names."""
    output = await ctr(socket, "images", "import", str(archive))
    names = _NAMES.findall(output)
    for name in names:
        await ctr(socket, "images", "label", name, f"{LOADED}=true")
    return names


async def ctr(socket: str, *words: str) -> str:
    """What containerd's own client prints. Raises ImportFailed."""
    program = shutil.which("ctr", path="/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin")
    if program is None:
        raise ImportFailed("ctr is missing; install it with: apt-get install containerd")
    process = await asyncio.create_subprocess_exec(
        program,
        *("-a", socket, "-n", NAMESPACE, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode(errors="replace")
    if process.returncode != 0:
        raise ImportFailed(f"ctr {' '.join(words)} failed: {text.strip()}")
    return text


async def present(socket: str) -> list[Image]:
    """The images that the containerd behind `socket` has, by name. Raises CriError."""
    runtime = Containerd(socket)
    try:
        return sorted(await runtime.list_images(), key=lambda image: image.tags)
    finally:
        await runtime.close()


async def wait_present(runtime: Runtime, name: str, timeout: float = 10.0) -> None:
    """Wait until CRI lists the image (it learns of an import a moment later). TimeoutError."""
    for _ in range(int(timeout / POLL)):
        if await runtime.image_status(name) is not None:
            return
        await asyncio.sleep(POLL)
    raise TimeoutError(f"{name} was imported, but the runtime does not list it")
