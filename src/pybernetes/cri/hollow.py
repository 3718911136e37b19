# SPDX-License-Identifier: Apache-2.0
"""A Runtime that starts nothing: containers are entries in a table, for tests and simulation.

Every pull, start and stop takes the time that Delays or a stage says, by the event loop's clock;
what containers do besides is what stages say: nothing, without them. Anything that would need a
process (exec, attach, port-forward; logs and stats where no stage has them) is refused by name.
"""

import asyncio
import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from pybernetes.base.env import Env
from pybernetes.cri.script import Script
from pybernetes.cri.stages import Exit, Stages, Where
from pybernetes.cri.types import (
    INIT,
    Config,
    Container,
    CriError,
    ExecResult,
    Image,
    ImageFs,
    Mount,
    NotFound,
    Sandbox,
    Stats,
    Streams,
    Unsupported,
    Version,
)

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds each step takes."""

    run_sandbox: float = 0.1
    create: float = 0.02
    start: float = 0.05
    stop: float = 0.1
    pull: float = 0.5


class Hollow:
    """The table of one hollow node. Pod IPs come from the range it is told.

    - `exit(container_id, code)` makes a container end, as if its process had.
    - Every change is told (`on_change`), so that nobody has to poll.
    """

    def __init__(
        self,
        env: Env,
        delays: Delays | None = None,
        *,
        stages: Stages | None = None,
        node: str = "",
        pod_range: str = "10.128.0.0/16",
    ) -> None:
        self.hollow = self
        self.script = Script(env, stages or Stages(), node)
        self._node = node
        self._env = env
        self._random = env.random.child("hollow")
        self._delays = delays or Delays()
        self._range = ipaddress.ip_network(pod_range)
        self._given = 0  # addresses, ever
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        self._images: dict[str, Image] = {}
        self._memory: dict[str, int] = {}  # limits in bytes, of containers that have one
        self._ends: dict[str, asyncio.TimerHandle] = {}  # of containers that end by themselves
        self._fates: dict[str, tuple[int, Exit, str]] = {}  # when (ns), how they end
        self._tell: Callable[[], None] = lambda: None

    def share(self, other: "Hollow") -> None:
        """Start with what a fork's origin runs; `resume` lets its time go on."""
        self._range, self._given = other._range, other._given
        self._sandboxes, self._containers = other._sandboxes.copy(), other._containers.copy()
        self._images, self._memory = other._images.copy(), other._memory.copy()
        self._fates = other._fates.copy()

    @property
    def is_used(self) -> bool:
        """Whether anything was ever started."""
        return bool(self._given or self._images)

    def resume(self) -> None:
        """Containers that are to end by themselves will."""
        for container_id in self._fates:
            if container_id not in self._ends:
                self._arm(container_id)

    def _arm(self, container_id: str) -> None:
        when, (code, reason), message = self._fates[container_id]
        self._ends[container_id] = asyncio.get_running_loop().call_later(
            max(0.0, (when - self._now()) / 1e9), self.exit, container_id, code, reason, message
        )

    def exit(self, container_id: str, code: int, reason: str = "", message: str = "") -> None:
        """End a running container with an exit code."""
        item = self._container(container_id)
        if item.state != "running":
            return
        self._fates.pop(container_id, None)
        timer = self._ends.pop(container_id, None)
        if timer is not None:
            timer.cancel()
        reason = reason or ("Completed" if code == 0 else "Error")
        ended = replace(item, state="exited", finished_at=self._now(), exit_code=code)
        self._set(replace(ended, reason=reason, message=message))

    def on_change(self, call: Callable[[], None]) -> None:
        self._tell = call

    def probed(self, container_id: str, kinds: Sequence[str]) -> list[str]:
        return self.script.probed(self._where(container_id), kinds)

    def probe(self, container_id: str, kind: str) -> bool:
        item = self._container(container_id)
        return self.script.passes(kind, self._where(container_id), self._age(item))

    def log(self, container_id: str, since: int) -> list[tuple[int, str]]:
        item = self._containers.get(container_id)
        if item is None:
            return []
        start, after = item.started_at, (since - item.started_at) / 1e9 if since else -1.0
        lines = self.script.log(self._where(container_id), after, self._age(item))
        if lines is None:
            self._refuse("logs")
        return [(start + int(age * 1e9), text) for age, text in lines]

    def _age(self, item: Container) -> float:
        """Seconds it runs, or ran."""
        return max(0, (item.finished_at or self._now()) - item.started_at) / 1e9

    def _where(self, container_id: str) -> Where:
        item = self._container(container_id)
        sandbox = self._sandbox(item.sandbox_id)
        return Where(
            self._node,
            sandbox.namespace,
            sandbox.name,
            container=item.name,
            image=item.image,
            init=INIT in item.annotations,
            labels=sandbox.labels,
            annotations=sandbox.annotations,
            uid=sandbox.uid,
            attempt=item.attempt,
        )

    def _pod(self, config: Config | None, image: str = "") -> Where:
        config = config or {}
        meta = config.get("metadata", {})
        return Where(
            self._node,
            meta.get("namespace", ""),
            meta.get("name", ""),
            image=image,
            labels=config.get("labels", {}),
            annotations=config.get("annotations", {}),
            uid=meta.get("uid", ""),
        )

    def lose_power(self) -> None:
        """All that ran has ended, as containerd tells it after a reboot; images stay."""
        for item in list(self._containers.values()):
            self.exit(item.id, 255, "Unknown")
        for sandbox in list(self._sandboxes.values()):
            self._sandboxes[sandbox.id] = replace(sandbox, ready=False, ips=())

    def _now(self) -> int:
        return int(self._env.clock.time() * 1e9)

    def _identity(self) -> str:
        return self._random.uuid().replace("-", "") * 2

    def _set(self, item: Container) -> None:
        self._containers[item.id] = item
        self._tell()

    def _container(self, container_id: str) -> Container:
        if container_id not in self._containers:
            raise NotFound(f'container "{container_id}": not found')
        return self._containers[container_id]

    def _sandbox(self, sandbox_id: str) -> Sandbox:
        if sandbox_id not in self._sandboxes:
            raise NotFound(f'sandbox "{sandbox_id}": not found')
        return self._sandboxes[sandbox_id]

    async def version(self) -> Version:
        return Version("hollow", VERSION)

    async def trouble(self) -> list[str]:
        trouble = self.script.trouble()
        return [f"container runtime not ready: {trouble}"] if trouble else []

    async def update_runtime_config(self, pod_cidr: str) -> None:
        """New pods get addresses of the node's range."""
        self._range = ipaddress.ip_network(pod_cidr)

    async def run_sandbox(self, config: Config, handler: str = "") -> str:
        await self.script.step("sandbox", self._pod(config), self._delays.run_sandbox)
        meta, linux = config["metadata"], config.get("linux", {})
        spaces = linux.get("security_context", {}).get("namespace_options", {})
        shared = spaces.get("network") in ("NODE", 2)
        sandbox = Sandbox(
            id=self._identity(),
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
            attempt=meta.get("attempt", 0),
            ready=True,
            created_at=self._now(),
            labels=config.get("labels", {}),
            annotations=config.get("annotations", {}),
            ips=() if shared else (self._free_address(),),
        )
        self._sandboxes[sandbox.id] = sandbox
        self._tell()
        return sandbox.id

    def _free_address(self) -> str:
        """The range's next one that no pod has; .0, .1 and the last are kept."""
        taken = {ip for sandbox in self._sandboxes.values() if sandbox.ready for ip in sandbox.ips}
        size = self._range.num_addresses - 3
        for _ in range(size):
            self._given += 1
            address = str(self._range[2 + (self._given - 1) % size])
            if address not in taken:
                return address
        raise CriError(f"no IP addresses available in range set: {self._range}")

    async def stop_sandbox(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.ready:
            return
        for item in list(self._containers.values()):
            if item.sandbox_id == sandbox_id:
                self.exit(item.id, 137)
        self._sandboxes[sandbox_id] = replace(sandbox, ready=False, ips=())
        self._tell()

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        for item in list(self._containers.values()):
            if item.sandbox_id == sandbox_id:
                self._forget(item)
        if self._sandboxes.pop(sandbox_id, None) is not None:
            self._tell()

    async def list_sandboxes(self) -> list[Sandbox]:
        return list(self._sandboxes.values())

    async def sandbox_status(self, sandbox_id: str) -> Sandbox:
        return self._sandbox(sandbox_id)

    async def create_container(
        self, sandbox_id: str, config: Config, sandbox_config: Config
    ) -> str:
        meta, image = config["metadata"], config["image"]["image"]
        where = self._pod(sandbox_config, image)._replace(container=meta["name"])
        await self.script.step("create", where, self._delays.create)
        sandbox = self._sandbox(sandbox_id)
        if not sandbox.ready:
            raise CriError(f'sandbox "{sandbox_id}" is not running')
        known = self._images.get(image)
        item = Container(
            id=self._identity(),
            sandbox_id=sandbox_id,
            name=meta["name"],
            attempt=meta.get("attempt", 0),
            image=image,
            image_ref=known.id if known else image,
            state="created",
            created_at=self._now(),
            labels=config.get("labels", {}),
            annotations=config.get("annotations", {}),
            log_path=config.get("log_path", ""),
        )
        limit = config.get("linux", {}).get("resources", {}).get("memory_limit_in_bytes", 0)
        if limit:
            self._memory[item.id] = limit
        self._set(item)
        return item.id

    async def start_container(self, container_id: str) -> None:
        await self.script.step("start", self._where(container_id), self._delays.start)
        item = self._container(container_id)
        if item.state != "created":
            raise CriError(f'container "{container_id}" is in {item.state} state')
        self._set(replace(item, state="running", started_at=self._now()))
        end = self.script.end(self._where(container_id), self._memory.get(container_id, 0))
        if end is not None:
            delay, how, message = end
            self._fates[container_id] = self._now() + int(delay * 1e9), how, message
            self._arm(container_id)

    async def stop_container(self, container_id: str, timeout: int) -> None:
        item = self._containers.get(container_id)
        if item is None or item.state != "running":
            return
        where = self._where(container_id)
        delay, (code, reason) = self.script.stop(where, timeout, self._delays.stop)
        await asyncio.sleep(delay)
        if container_id in self._containers:
            self.exit(container_id, code, reason)

    async def remove_container(self, container_id: str) -> None:
        item = self._containers.get(container_id)
        if item is not None:
            self._forget(item)
            self._tell()

    def _forget(self, item: Container) -> None:
        self.exit(item.id, 137)
        del self._containers[item.id]
        self._memory.pop(item.id, None)

    async def list_containers(self) -> list[Container]:
        return list(self._containers.values())

    async def container_status(self, container_id: str) -> Container:
        return self._container(container_id)

    async def update_resources(self, container_id: str, linux: Config) -> None:
        self._memory[self._container(container_id).id] = linux.get("memory_limit_in_bytes", 0)

    async def reopen_log(self, container_id: str) -> None:
        self._container(container_id)

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float = 0
    ) -> ExecResult:
        self._refuse("exec")

    async def exec_url(self, container_id: str, command: Sequence[str], streams: Streams) -> str:
        self._refuse("exec")

    async def attach_url(self, container_id: str, streams: Streams) -> str:
        self._refuse("attach")

    async def network_namespace(self, sandbox_id: str) -> str:
        self._refuse("port-forward")

    def _refuse(self, what: str) -> NoReturn:
        raise Unsupported(
            f"{what} is not supported: this node is hollow, its containers run nothing"
        )

    async def pull_image(
        self, image: str, auth: Config | None = None, sandbox_config: Config | None = None
    ) -> str:
        if image not in self._images:
            await self.script.step("pull", self._pod(sandbox_config, image), self._delays.pull)
            id_ = "sha256:" + hashlib.sha256(image.encode()).hexdigest()
            self._images[image] = Image(id_, tags=(image,))
        return self._images[image].id

    async def list_images(self) -> list[Image]:
        return list(self._images.values())

    async def image_status(self, image: str) -> Image | None:
        return self._images.get(image)

    async def view_image(self, image: str, key: str) -> list[Mount]:
        self._refuse("an image volume")

    async def release_image(self, key: str) -> None:
        """There is none."""

    async def container_pid(self, container_id: str) -> int:
        return 0

    async def remove_image(self, image: str) -> None:
        for name, known in list(self._images.items()):
            if image in (name, known.id):
                del self._images[name]

    async def image_fs(self) -> ImageFs | None:
        return None

    async def stats(self) -> list[Stats]:
        if not self.script.measures:
            self._refuse("stats")
        return [self._stats(item) for item in self._containers.values() if item.state == "running"]

    def _stats(self, item: Container) -> Stats:
        cpu, memory = self.script.usage(self._where(item.id), self._age(item))
        used = int(memory)
        return Stats(item.id, int(cpu * 1e9), used, used, used)

    async def close(self) -> None:
        """Nothing to release."""
