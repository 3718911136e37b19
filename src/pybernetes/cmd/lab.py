# SPDX-License-Identifier: Apache-2.0
"""A lab as the main process sees it: a segment, and machines that are kept running.

Node processes outlive us; those that run are adopted. One that ends unasked is started again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs, tls
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, gather_ordered
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.cmd.config import ClusterConfig, read_json
from pybernetes.cmd.control import Report
from pybernetes.cmd.labconfig import ConfigError, LabConfig, LabNode, resolve
from pybernetes.cmd.labjoin import NODES, Joining
from pybernetes.cmd.labmachine import LabMachine, boot, pins
from pybernetes.cmd.labplace import name_nodes, record, segment_config
from pybernetes.cmd.labseed import Seed
from pybernetes.cmd.node_certificates import SERVING
from pybernetes.cmd.nodes import ready_since
from pybernetes.linux import namespaces
from pybernetes.linux.commands import CommandError
from pybernetes.linux.processes import wait_end
from pybernetes.network import segment

RESTART_DELAY, MAX_DELAY = 0.2, 10.0
READY_SECONDS = 60.0
_log = logs.get("lab")
Verb = Callable[["Lab", LabNode, Report], Awaitable[None]]


class Lab:
    """`set_up`, then `run` until cancelled. `client` is the administrator's.

    A node is kept running by a task of its own; one without a task is meant to be off.
    """

    def __init__(self, env: Env, config: ClusterConfig, client: Client) -> None:
        self._env, self._config = env, config
        self._client = client
        self._joining = Joining(env, client)
        self.seed = Seed(env, config.data_dir)
        self._segment = segment_config(config)
        self._informers = Informers(env, client)
        self._nodes = self._informers.get(NODES)
        self._changed = asyncio.Event()
        self._nodes.on_change(lambda _old, _new: self._changed.set())
        self._group = TaskGroup("lab")
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._before: dict[str, str] = {}  # the last heartbeat of what ran before
        self._on = asyncio.Event()  # all nodes have been turned on
        self._troubles: dict[str, str] = {}

    @property
    def settings(self) -> LabConfig:
        assert self._config.lab is not None
        return self._config.lab

    async def set_up(self) -> None:
        """The segment, before anybody listens on it. Raises CommandError, OSError."""
        await segment.set_up(self._segment)
        namespaces.prepare(pins(self._config))
        name_nodes(self._config)

    async def run(self) -> None:
        """Keep all nodes and the routes to their pods until cancelled; the nodes go on."""
        async with self._group as group:
            group.start(self._informers.run(), "informers")
            group.start(self._tend(), "nodes")
            await self._nodes.wait_synced()
            nodes = self.settings.nodes
            found = await gather_ordered(self._adopt(node) for node in nodes)
            off = (node for node, runs in zip(nodes, found, strict=True) if not runs)
            await self._turn_on(*off)
            for node in nodes:
                self._keep_running(node)
            self._on.set()

    async def _adopt(self, node: LabNode) -> bool:
        """True if the node runs, and as we would start it; else it is off from now on."""
        machine = self._machine(node.name)
        pair = tls.load(machine.pki, SERVING.file)
        if machine.pid() and pair and node.address in tls.names(pair.certificate):
            with contextlib.suppress(CommandError):
                await machine.connect(up=True)
                return True
        await machine.turn_off()
        return False

    async def _turn_on(self, *nodes: LabNode) -> None:
        """Start the processes of nodes that are off. Raises CommandError, OSError."""
        for node in nodes:
            self._before[node.name] = ready_since(self._nodes.find("", node.name) or {}) or ""
        await gather_ordered((self._prepare(node) for node in nodes), "prepare")
        await boot(self._config.data_dir, [node.name for node in nodes])

    async def _prepare(self, node: LabNode) -> None:
        token, machine = await self._joining.token(), self._machine(node.name)
        await gather_ordered((self._joining.introduce(node), machine.prepare(node, token)))
        await self.seed.plant(machine.folder)

    async def wait_ready(self, report: Report, *names: str) -> None:
        """Until the nodes (all of them, if none is named) are Ready. Raises TimeoutError."""
        await self._on.wait()
        late = [*names] or [node.name for node in self.settings.nodes]
        while late:
            ready = await self._some_ready(late)
            late = [name for name in late if name not in ready]
            report(f"{' and '.join(ready)} Ready" + (f", {len(late)} to come" if late else ""))

    async def _some_ready(self, names: Sequence[str]) -> list[str]:
        """Those that are Ready, once some are. Raises TimeoutError, which says what keeps them."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not (ready := [name for name in names if self._is_ready(name)]):
                    self._changed.clear()
                    await self._changed.wait()
                return ready
        except TimeoutError as error:
            why = (self._troubles.get(name) or self._machine(name).last_words() for name in names)
            said = "; ".join(f"{name}: {text}" for name, text in zip(names, why, strict=True))
            raise TimeoutError(f"not Ready after {READY_SECONDS:.0f} s: {said}") from error

    def _is_ready(self, name: str) -> bool:
        node = self._nodes.find("", name)
        return node is not None and (ready_since(node) or "") > self._before.get(name, "")

    async def _tend(self) -> None:
        """Keep the host's routes to pods, and the roles that only we can give."""
        routes: dict[str, str] = {}
        changed = asyncio.Event()
        self._nodes.on_change(lambda _old, _new: changed.set())
        while True:
            await changed.wait()
            changed.clear()
            wanted: dict[str, str] = {}
            for one in self._nodes.items():
                if node := self.settings.node(meta.name(one)):
                    wanted |= dict.fromkeys(one["spec"].get("podCIDRs", ()), node.address)
                    await self._give_role(one, node)
            try:
                await segment.route_pods(self._segment, routes, wanted)
                routes = wanted
            except CommandError as error:
                _log.error("The routes to pods could not be written", err=error)

    async def _give_role(self, one: Object, node: LabNode) -> None:
        if node.role_labels.items() - (one["metadata"].get("labels") or {}).items():
            patch = {"metadata": {"labels": node.role_labels}}
            with contextlib.suppress(ApiError):
                await self._client.patch(NODES, node.name, patch)

    def _machine(self, name: str) -> LabMachine:
        return LabMachine(self._config, name)

    def _keep_running(self, node: LabNode) -> None:
        if node.name not in self._keepers:
            self._keepers[node.name] = self._group.start(self._keep(node), node.name)

    async def _keep(self, node: LabNode) -> None:
        """Start the node's process, or adopt it, again and again."""
        machine, delay = self._machine(node.name), RESTART_DELAY
        while True:
            started = self._env.clock.monotonic()
            try:
                if not machine.pid():
                    await self._turn_on(node)
                await wait_end(machine.pid())
                _log.warning("A node's process ended; it is started again", node=node.name)
            except (CommandError, ApiError, OSError) as error:
                self._troubles[node.name] = str(error)
                _log.error("A node cannot be started", node=node.name, err=error)
            lived = self._env.clock.monotonic() - started
            delay = RESTART_DELAY if lived > MAX_DELAY else min(MAX_DELAY, 2 * delay)
            await asyncio.sleep(delay)

    async def handle(self, request: Object, report: Report) -> None:
        """Carry out a request of the control socket. Raises ConfigError, CommandError, ..."""
        await self._on.wait()
        verb, asked = VERBS.get(request["do"]), request["node"]
        if verb is None:
            raise ConfigError(f"{request['do']} is not supported")
        name = LabNode.parse(asked).name
        async with self._locks.setdefault(name, asyncio.Lock()):
            if request["do"] == "node add":
                self._change(lambda nodes: [*nodes, asked])
            node = self.settings.node(name)
            if node is None:
                raise ConfigError(f"there is no node {name}")
            await verb(self, node, report)

    async def remove(self, node: LabNode, report: Report) -> None:
        """Shut the node down and forget it."""
        await self.stop(node, report)
        with contextlib.suppress(ApiError):
            await self._client.delete(NODES, node.name)
        self._machine(node.name).forget()
        self._change(lambda nodes: [one for one in nodes if one["name"] != node.name])

    def _change(self, change: Callable[[list[Object]], list[Object]]) -> None:
        asked = read_json(self._config.data_dir)
        lab = {**asked["lab"], "nodes": change(asked["lab"]["nodes"])}
        record(self._config.data_dir, resolve({**asked, "lab": lab}))
        self._config = ClusterConfig.read(self._config.data_dir)
        name_nodes(self._config)

    async def start(self, node: LabNode, report: Report) -> None:
        """Turn the node on, if it is off, and wait until it is ready for pods."""
        if node.name not in self._keepers:
            report(f"starting {node.name}")
            await self._turn_on(node)
            self._keep_running(node)
            await self.wait_ready(report, node.name)

    async def stop(self, node: LabNode, report: Report) -> None:
        """Shut the node down: its pods are ended."""
        machine = await self._let_go(node)
        report(f"shutting {machine.name} down")
        await machine.shut_down()

    async def kill(self, node: LabNode, _report: Report) -> None:
        """Take the node's power away."""
        await (await self._let_go(node)).turn_off()

    async def cut(self, node: LabNode, _report: Report) -> None:
        """Pull the node's network cable."""
        await self._machine(node.name).connect(up=False)

    async def heal(self, node: LabNode, report: Report) -> None:
        """Undo cut, stop and kill."""
        if node.name in self._keepers:
            await self._machine(node.name).connect(up=True)
            await self.wait_ready(report, node.name)
        else:
            await self.start(node, report)

    async def _let_go(self, node: LabNode) -> LabMachine:
        """Keep the node running no longer; it runs on."""
        keeper = self._keepers.pop(node.name, None)
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        return self._machine(node.name)


VERBS: Mapping[str, Verb] = {
    "node add": Lab.start,
    "node remove": Lab.remove,
    "node start": Lab.start,
    "node stop": Lab.stop,
    "node kill": Lab.kill,
    "node cut": Lab.cut,
    "node heal": Lab.heal,
}
