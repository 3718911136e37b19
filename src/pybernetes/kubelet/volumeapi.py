# SPDX-License-Identifier: Apache-2.0
"""What a volume type implements, and what it is given. No implementation here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base.env import Env

Lookup = Callable[[GVR, str, str], Awaitable[Object]]
"""lookup(gvr, namespace, name): the object, a few seconds old at most. Raises ApiError."""
Token = Callable[[Object, str, int], Awaitable[tuple[str, float]]]
"""token(pod, audience, seconds): a service account token and when to ask again (wall time)."""


class MountError(Exception):
    """A volume cannot be set up; the text goes into the FailedMount event."""


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """Everything a volume type may use. `folder` is this volume's own folder."""

    env: Env
    pod: Object
    folder: Path
    lookup: Lookup
    token: Token
    node_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    fs_group: int | None = None


@dataclass(frozen=True, slots=True)
class VolumeType:
    """One type. `prepare(context, source)` makes the volume and returns the path to mount.

    It must be safe to call again; for `live` types it is called every few seconds to bring the
    content up to date. Raises MountError. Mounts below the folder are undone when the pod goes.
    """

    prepare: Callable[[VolumeContext, Object], Awaitable[Path]]
    live: bool = False
    owned: bool = True  # fsGroup applies
