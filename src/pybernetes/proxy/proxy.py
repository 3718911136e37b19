# SPDX-License-Identifier: Apache-2.0
"""The service proxy: watches Services and EndpointSlices and keeps the nftables table in step."""

import asyncio
import datetime

from pybernetes.apimachinery import meta, timestamps
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.node import addresses
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, wait_within
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.linux import nft
from pybernetes.linux.commands import CommandError
from pybernetes.proxy import conntrack
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.health import Health
from pybernetes.proxy.metrics import ProxyMetrics
from pybernetes.proxy.services import Place, View, service_of, view
from pybernetes.proxy.sync import Cluster, Syncer

SERVICES = GVR("", "v1", "services")
NODES = GVR("", "v1", "nodes")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
BY_SERVICE = "service"
_TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
_ZONE = "topology.kubernetes.io/zone"
_log = logs.get("proxy")


class Proxy:
    """Level-triggered by service: one that changed is looked at again, and the difference written.

    - A change is written at once; those that come soon after it wait for one another.
    - After a write that failed, and after others changed nftables, everything is written again;
      connections and affinities survive that.
    - `informers`: shared with others and run by their owner; without, it runs its own.
    """

    def __init__(
        self, env: Env, client: Client, config: ProxyConfig, informers: Informers | None = None
    ) -> None:
        self._env = env
        self._config = config
        self._own_informers = informers is None
        self._informers = informers or Informers(env, client)
        self._services = self._informers.get(SERVICES)
        self._slices = self._informers.get(SLICES)
        self._nodes = self._informers.get(NODES, field_selector=f"metadata.name={config.node_name}")
        self._slices.add_index(BY_SERVICE, lambda one: [service_of(one)])
        self._place, self._node_ip = Place(config.node_name), ""
        self._dirty: dict[str, None] = {}  # services to look at again
        self._triggers: list[datetime.datetime] = []  # when what is to be written came about
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self.health = Health(env, config, lambda: self._nodes.find("", config.node_name))
        self._metrics = ProxyMetrics(env)
        self._syncer = Syncer(env, config, Cluster(self._keys, self._view, lambda: self._node_ip))

    async def wait_ready(self) -> None:
        await self._ready.wait()

    async def run(self) -> None:
        """Keep the table right until cancelled; the table stays (clean_up removes it)."""
        async with TaskGroup("proxy") as group:
            if self._own_informers:
                group.start(self._informers.run(), "informers")
            for informer in (self._services, self._slices, self._nodes):
                await informer.wait_synced()
            self._nodes.on_change(self._node_changed)
            self._services.on_change(lambda old, new: self._mark(meta.key(new or old or {})))
            self._slices.on_change(self._slice_changed)
            self._triggers.clear()  # what came about before we did is not our latency
            try:
                while True:
                    await self._round()
                    await asyncio.sleep(self._config.min_sync_period)
                    soon = self._syncer.unused or self.health.refused
                    await wait_within(self._changed, 1.0 if soon else self._config.sync_period)
            finally:
                await self.health.close()

    async def _round(self) -> None:
        self._changed.clear()
        dirty, self._dirty = self._dirty, {}
        triggers, self._triggers = self._triggers, []
        start = self._env.clock.monotonic()
        try:
            if kind := await self._syncer.write(dirty):
                self._count(kind, self._env.clock.monotonic() - start, triggers)
        except (CommandError, OSError) as error:
            _log.error("Writing the rules failed", error=error)
            self._metrics.counters["sync_proxy_rules_nftables_sync_failures"].inc()
            self._triggers = triggers + self._triggers
            self._changed.set()
            await asyncio.sleep(self._config.retry_period)
            return
        await self._cut_flows()
        await self.health.listen(self._syncer.checked)
        if not self._dirty:
            self.health.written()
        self._ready.set()

    async def _cut_flows(self) -> None:
        if ports := self._syncer.take_udp():
            start = self._env.clock.monotonic()
            cut = await conntrack.clean_up(ports)
            took = self._env.clock.monotonic() - start
            self._metrics.seconds["conntrack_reconciler_sync"].observe(took)
            self._metrics.counters["conntrack_reconciler_deleted_entries"].inc(cut)

    def _count(self, kind: str, took: float, triggers: list[datetime.datetime]) -> None:
        seconds, now = self._metrics.seconds, self._env.clock.now()
        for name in ("sync_proxy_rules", f"sync_{kind}_proxy_rules"):
            seconds[name].observe(took)
        for trigger in triggers:
            seconds["network_programming"].observe((now - trigger).total_seconds())
        self._metrics.gauges["sync_proxy_rules_last_timestamp_seconds"].set(now.timestamp())
        for policy, count in self._syncer.homeless.items():
            self._metrics.no_local.labels(policy, "IPv4").set(count)

    def _keys(self) -> list[str]:
        return [meta.key(one) for one in self._services.items()]

    def _view(self, key: str) -> View:
        namespace, _, name = key.partition("/")
        slices = self._slices.by_index(BY_SERVICE, key)
        return view(self._services.find(namespace, name), slices, self._place)

    def _mark(self, key: str) -> None:
        self._dirty[key] = None
        self._metrics.gauges["sync_proxy_rules_last_queued_timestamp_seconds"].set(
            self._env.clock.time()
        )
        self.health.queued()
        self._changed.set()

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for key in dict.fromkeys(service_of(one) for one in (old, new) if one is not None):
            self._mark(key)
        stamps = [meta.annotations(one or {}) for one in (old, new)]
        if stamps[1].get(_TRIGGER, "") > stamps[0].get(_TRIGGER, ""):
            self._triggers.append(timestamps.parse(stamps[1][_TRIGGER]))

    def _node_changed(self, _old: Object | None, new: Object | None) -> None:
        """This node's zone and address decide over endpoints and firewalls of all services."""
        node = new or {}
        zone = meta.labels(node).get(_ZONE, "")
        ip = next((ip for ip in addresses(node, "InternalIP") if ":" not in ip), "")
        found = (Place(self._config.node_name, zone), ip)
        if found != (self._place, self._node_ip):
            self._place, self._node_ip = found
            for key in self._keys():
                self._mark(key)


async def clean_up(config: ProxyConfig) -> None:
    """Remove the table; safe to call at any time."""
    await nft.delete_table("ip", config.table)
