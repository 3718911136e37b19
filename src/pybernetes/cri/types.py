# SPDX-License-Identifier: Apache-2.0
"""Runtime: what the kubelet asks of a container runtime. No implementation here.

What is handed in (`Config`) is a plain dict with the field names of CRI's protobuf messages
(PodSandboxConfig, ContainerConfig, LinuxContainerResources, AuthConfig); absent fields have their
zero value and enums are their names. What comes back is one of the small frozen types below.

Guarantees every driver gives (proven by pybernetes.testing.cri.RuntimeSuite):
- Stopping and removing what is already gone succeeds; a stopped sandbox has no running container.
- Sandboxes and containers survive the driver's process; labels and annotations come back as given.
- A container that ended keeps its exit code and times until it is removed.
- A driver that cannot do something raises Unsupported and names it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

INIT = (
    "io.pybernetes.container.init"  # annotation of containers that are to end before others start
)
Config = dict[str, Any]
ContainerState = Literal["created", "running", "exited", "unknown"]


class CriError(Exception):
    """Root of this room's errors; the text is the runtime's own.

    CriError
    ├── NotFound      no such sandbox, container or image
    ├── DeadlineExceeded  the runtime did not answer in time (exec: the command timed out)
    ├── Unavailable   the runtime cannot be reached
    └── Unsupported   this driver cannot do that
    """


class NotFound(CriError):
    """No such sandbox, container or image."""


class DeadlineExceeded(CriError):
    """No answer in time."""


class Unavailable(CriError):
    """The runtime cannot be reached."""


class Unsupported(CriError):
    """This driver cannot do that."""


@dataclass(frozen=True, slots=True)
class Version:
    name: str
    version: str
    api_version: str = "v1"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod sandbox. `ips` are known only to `sandbox_status`. Times in ns."""

    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    ready: bool
    created_at: int
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """A container. From `started_at` on known only to `container_status`. Times in ns, 0 = never."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    image: str
    image_ref: str
    state: ContainerState
    created_at: int
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """`id` is the config's digest; `user` is what the image runs as: a number, a name or None."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: int | str | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount, as mount(8) takes it."""

    type: str
    source: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecResult:
    stdout: bytes
    stderr: bytes
    exit_code: int


class Stats(NamedTuple):
    """What a container uses now: nanoseconds of CPU ever, bytes of memory and disk."""

    container_id: str
    cpu: int
    memory: int = 0
    working_set: int = 0
    rss: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    disk_bytes: int = 0
    disk_inodes: int = 0


@dataclass(frozen=True, slots=True)
class ImageFs:
    """The disk below images: a path on it, and what images use of it."""

    path: str
    used_bytes: int
    inodes: int = 0


class Simulated(Protocol):
    """What a runtime that starts nothing says in the place of what would run. Raises NotFound."""

    def on_change(self, call: Callable[[], None]) -> None:
        """Have `call` made after every change; whoever was told until now is not any more."""

    def probed(self, container_id: str, kinds: Sequence[str]) -> list[str]:
        """The kinds of probes (startup, readiness, liveness) that are to be asked."""

    def probe(self, container_id: str, kind: str) -> bool:
        """Whether a probe passes now."""

    def log(self, container_id: str, since: int) -> list[tuple[int, str]]:
        """(time in ns, line) logged after `since`, the newest 10,000. Raises Unsupported."""


class Runtime(Protocol):
    """A container runtime, as the kubelet sees it. Every method raises CriError."""

    @property
    def hollow(self) -> Simulated | None:
        """Set where nothing is started: no files, no sockets, no processes behind it."""

    async def version(self) -> Version: ...

    async def trouble(self) -> list[str]:
        """What of it is not ready (itself, its network), in upstream's words."""

    async def update_runtime_config(self, pod_cidr: str) -> None: ...

    async def run_sandbox(self, config: Config, handler: str = "") -> str:
        """Start a pod sandbox (PodSandboxConfig), its network included; its id."""

    async def stop_sandbox(self, sandbox_id: str) -> None: ...

    async def remove_sandbox(self, sandbox_id: str) -> None: ...

    async def list_sandboxes(self) -> list[Sandbox]: ...

    async def sandbox_status(self, sandbox_id: str) -> Sandbox: ...

    async def create_container(
        self, sandbox_id: str, config: Config, sandbox_config: Config
    ) -> str: ...

    async def start_container(self, container_id: str) -> None: ...

    async def stop_container(self, container_id: str, timeout: int) -> None:
        """SIGTERM (the image's stop signal), after `timeout` seconds SIGKILL; returns when dead."""

    async def remove_container(self, container_id: str) -> None: ...

    async def list_containers(self) -> list[Container]: ...

    async def container_status(self, container_id: str) -> Container: ...

    async def update_resources(self, container_id: str, linux: Config) -> None: ...

    async def reopen_log(self, container_id: str) -> None: ...

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float = 0
    ) -> ExecResult:
        """Run a command to its end. `timeout` seconds, 0 = none; then DeadlineExceeded."""

    async def exec_url(self, container_id: str, command: Sequence[str], streams: "Streams") -> str:
        """Where the runtime serves this exec (SPDY)."""

    async def attach_url(self, container_id: str, streams: "Streams") -> str: ...

    async def network_namespace(self, sandbox_id: str) -> str:
        """The file of the sandbox's network namespace; "": it has none of its own."""

    async def pull_image(
        self, image: str, auth: Config | None = None, sandbox_config: Config | None = None
    ) -> str:
        """Pull; the image's reference (id)."""

    async def list_images(self) -> list[Image]: ...

    async def image_status(self, image: str) -> Image | None: ...

    async def view_image(self, image: str, key: str) -> list["Mount"]:
        """What to mount to see an image's files; kept under the name `key` until it is released."""

    async def release_image(self, key: str) -> None: ...

    async def container_pid(self, container_id: str) -> int:
        """The first process of a running container, as this process sees it; 0 if unknown."""

    async def remove_image(self, image: str) -> None: ...

    async def image_fs(self) -> ImageFs | None:
        """Where images are kept; None: nowhere."""

    async def stats(self) -> list[Stats]: ...

    async def close(self) -> None: ...


class Streams(NamedTuple):
    """Which streams an exec or attach carries, as CRI names them; with a tty there is no stderr."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False
