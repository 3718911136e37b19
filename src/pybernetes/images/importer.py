# SPDX-License-Identifier: Apache-2.0
"""Import of image archives into containerd, through its own `ctr` (CRI has no import)."""

import asyncio
import re
from pathlib import Path

from pybernetes.cri.containerd import Containerd
from pybernetes.cri.types import Image, Runtime
from pybernetes.linux.commands import CommandError, run

NAMESPACE = "k8s.io"
POLL = 0.02
IMPORT_SECONDS, LISTED_SECONDS = 600.0, 10.0
LOADED = "pybernetes.dev/loaded"  # label of manifests that came by hand, from no registry
_UNPACKED = re.compile(r"^unpacking (\S+) \((sha256:[0-9a-f]+)\)", re.MULTILINE)


class ImportFailed(Exception):
    """ctr refused the archive, or it is not there; the text is ctr's."""


async def load(socket: str, archive: Path) -> list[str]:
    """Import an OCI or Docker archive into the containerd behind `socket`; the images' names."""
    output = await ctr(socket, "images", "import", str(archive))
    found = _UNPACKED.findall(output)
    for digest in dict.fromkeys(digest for _, digest in found):
        await ctr(socket, "content", "label", digest, f"{LOADED}=true")  # CRI rewrites an image's
    return [name for name, _ in found]


async def ctr(socket: str, *words: str) -> str:
    """What containerd's own client prints. Raises ImportFailed."""
    command = ["ctr", "-a", socket, "-n", NAMESPACE, *words]
    try:
        return await run(command, seconds=IMPORT_SECONDS)
    except CommandError as error:
        raise ImportFailed(str(error)) from error


async def present(socket: str) -> list[Image]:
    """The images that the containerd behind `socket` has, by name. Raises CriError."""
    runtime = Containerd(socket)
    try:
        return sorted(await runtime.list_images(), key=lambda image: image.tags)
    finally:
        await runtime.close()


async def wait_present(runtime: Runtime, name: str) -> None:
    """Wait until CRI lists the image (it learns of an import a moment later). TimeoutError."""
    for _ in range(int(LISTED_SECONDS / POLL)):
        if await runtime.image_status(name) is not None:
            return
        await asyncio.sleep(POLL)
    raise TimeoutError(f"{name} was imported, but the runtime does not list it")
