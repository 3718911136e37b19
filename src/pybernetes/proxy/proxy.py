# SPDX-License-Identifier: Apache-2.0
"""The service proxy: watches Services and EndpointSlices and keeps the nftables table in step."""

import asyncio

from pybernetes.apimachinery.types import GVR
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.metrics import histogram
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.linux import nft
from pybernetes.linux.commands import CommandError, succeeds
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.ruleset import Rules, base, rules, script
from pybernetes.proxy.services import ServicePort, service_ports

SERVICES = GVR("", "v1", "services")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
_log = logs.get("proxy")


class Proxy:
    """Level-triggered: every round computes the whole table and writes the difference.

    After a failed write the next round starts from an empty table.
    """

    def __init__(self, env: Env, client: Client, config: ProxyConfig) -> None:
        self._env = env
        self._config = config
        self._informers = Informers(env, client)
        self._services = self._informers.get(SERVICES)
        self._slices = self._informers.get(SLICES)
        self._written: Rules | None = None  # None: the table's contents are unknown
        self._ports: list[ServicePort] = []
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self._duration = histogram(
            env, "kubeproxy_sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds"
        )
        self._services.on_change(lambda _old, _new: self._changed.set())
        self._slices.on_change(lambda _old, _new: self._changed.set())

    async def wait_ready(self) -> None:
        await self._ready.wait()

    async def run(self) -> None:
        """Keep the table right until cancelled; the table stays (clean_up removes it)."""
        async with TaskGroup("proxy") as group:
            group.start(self._informers.run(), "informers")
            await self._informers.wait_synced()
            self._changed.set()
            while True:
                await self._changed.wait()
                await asyncio.sleep(self._config.min_sync_period)
                self._changed.clear()
                try:
                    await self._sync()
                    self._ready.set()
                except CommandError as error:
                    _log.error("Writing the rules failed", error=error)
                    self._written = None
                    self._changed.set()
                    await asyncio.sleep(self._config.retry_period)

    async def _sync(self) -> None:
        start = self._env.clock.monotonic()
        ports = service_ports(self._services.items(), self._slices.items(), self._config.node_name)
        desired = rules(ports)
        table = self._config.table
        if self._written is None:
            text = base(table) + script(table, Rules(), desired)
        else:
            text = script(table, self._written, desired)
        if text:
            await nft.apply(text)
            await self._forget_flows(ports)
        self._written, self._ports = desired, ports
        self._duration.observe(self._env.clock.monotonic() - start)

    async def _forget_flows(self, ports: list[ServicePort]) -> None:
        """UDP flows outlive their endpoint: drop those towards endpoints that are gone."""
        now = {port.key: port for port in ports}
        for old in self._ports:
            if old.protocol != "udp":
                continue
            new = now.get(old.key)
            left = set(new.backends) if new else set()
            for address, _ in (pair for pair in old.backends if pair not in left):
                for service in old.cluster_ips:
                    flow = ["-p", "udp", "--orig-dst", service, "--reply-src", address]
                    await succeeds(["conntrack", "-D", *flow])


async def clean_up(config: ProxyConfig) -> None:
    """Remove the table; safe to call at any time."""
    await nft.delete_table("ip", config.table)
