# SPDX-License-Identifier: Apache-2.0
"""What a volume type implements, and what it is given. No implementation here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base.env import Env
from pybernetes.cri.types import Mount

Lookup = Callable[[GVR, str, str], Awaitable[Object]]
"""lookup(gvr, namespace, name): the object, a few seconds old at most. Raises ApiError."""
Token = Callable[[Object, str, int], Awaitable[str]]
"""token(pod, audience, seconds): a service account token that is good for a while. Raises ApiError."""
Certificate = Callable[[Object, str, Object], Awaitable[tuple[bytes, bytes]]]
"""certificate(pod, key, projection): private key and chain (PEM), renewed in time. `key` names the
projection in the pod. Raises MountError while there is none."""


class MountError(Exception):
    """A volume cannot be set up; the text goes into the FailedMount event."""


class ImageContent(Protocol):
    """Files of images, for image volumes. `key` is the view's name, unique on this node."""

    async def view(self, pod: Object, source: Object, key: str) -> Sequence[Mount]:
        """What to mount to see an ImageVolumeSource's files. Raises StartError, MountError."""

    async def hold(self, source: Object, key: str) -> None:
        """The view is mounted already: its image is in use. Raises StartError."""

    async def release(self, key: str) -> None:
        """The view is not mounted any more."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where volumes get their content. `bundles(name, signer)`: ClusterTrustBundles of either.

    `allocatable()`: the node's, by resource.
    """

    lookup: Lookup
    token: Token
    certificate: Certificate
    bundles: Callable[[str, str], Awaitable[list[Object]]]
    images: ImageContent
    allocatable: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """Everything a volume type may use. `folder` is this volume's own folder, `name` its name."""

    env: Env
    pod: Object
    name: str
    folder: Path
    sources: Sources
    node_ips: Sequence[str] = ()
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
