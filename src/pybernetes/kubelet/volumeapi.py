# SPDX-License-Identifier: Apache-2.0
"""What a volume type implements, and what it is given. No implementation here."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.kubelet.tools import Tools


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """Everything a volume type may use. `folder` is this volume's own folder, `name` its name."""

    tools: Tools
    pod: Object
    name: str
    folder: Path
    pod_ips: Sequence[str] = ()

    @property
    def fs_group(self) -> int | None:
        return (self.pod["spec"].get("securityContext") or {}).get("fsGroup")


@dataclass(frozen=True, slots=True)
class VolumeType:
    """One type. `prepare(context, source)` makes the volume and returns the path to mount.

    It must be safe to call again; for `live` types it is called every few seconds to bring the
    content up to date. Raises MountError. Mounts below the folder are undone when the pod goes.
    """

    prepare: Callable[[VolumeContext, Object], Awaitable[Path]]
    live: bool = False
    owned: bool = True  # fsGroup applies
    read_only: bool = False  # containers never write to it
