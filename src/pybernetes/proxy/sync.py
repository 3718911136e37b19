# SPDX-License-Identifier: Apache-2.0
"""Brings what services mean into nftables: what changed only, or everything; one transaction each."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from pybernetes.base.env import Env
from pybernetes.linux import nft
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.ruleset import Rules, base, rules
from pybernetes.proxy.services import ServicePort, View, settled
from pybernetes.proxy.table import Table

_NOTHING = View()
_TURN = 0.005  # seconds of computing before others on the loop get theirs


class Cluster(NamedTuple):
    """What is asked of the cluster's state."""

    services: Callable[[], Iterable[str]]  # all of them, as namespace/name
    view: Callable[[str], View]
    node_ip: Callable[[], str]  # "" while it is not known


class Syncer:
    """`write` brings services into the table; after an error what is there counts as unknown."""

    def __init__(self, env: Env, config: ProxyConfig, cluster: Cluster) -> None:
        self._clock = env.clock
        self._config = config
        self._cluster = cluster
        self._views: dict[str, View] = {}  # as written; none for services without ports
        self._table: Table | None = None  # None: unknown
        self._generation = 0  # of nftables after our last write
        self._foreign = False  # others wrote since our last complete write
        self._next_full = 0.0
        self._failed = False  # to write everything
        self._udp: dict[str, ServicePort] = {}  # lost an endpoint, or got the first one
        self.checked: dict[str, View] = {}  # those with a health check port
        self.homeless = {"internal": 0, "external": 0}  # ports whose Local policy has none here

    @property
    def unused(self) -> bool:
        """Whether there are chains to delete later: call `write` again in a second."""
        return bool(self._table and self._table.unused)

    def take_udp(self) -> list[ServicePort]:
        """The UDP ports some of whose flows may be stale since the last time."""
        ports, self._udp = self._udp, {}
        return list(ports.values())

    async def write(self, keys: Iterable[str]) -> str:
        """Bring `keys` up to date; "partial", or "full" if everything was written, or "" if nothing
        differed. Everything is written when the table's contents are unknown, and when others wrote
        to nftables, then at most once in a sync period. Raises CommandError."""
        now = self._clock.monotonic()
        self._foreign = self._foreign or nft.generation() != self._generation
        full = self._table is None or (self._foreign and now >= self._next_full)
        table, self._table = self._table, None
        head = ""
        if full or table is None:
            table, head = await self._start_again()
            keys = dict.fromkeys((*self._views, *self._cluster.services()))
        elif unused := table.delete_unused(now):
            await nft.apply(unused)
        await self._change(table, keys, full=full)
        script = head + table.take(now)
        self._failed = full  # until it is written
        if script:
            await nft.apply(script)
        self._failed = False
        self._table, self._generation = table, nft.generation()
        if full:
            self._foreign, self._next_full = False, now + self._config.sync_period
        return ("full" if full else "partial") if script else ""

    async def _start_again(self) -> tuple[Table, str]:
        """An empty Table and the script for it. What the table holds stays usable until the end of
        the transaction, and clients' affinities stay; if that fails, all is made anew."""
        name = self._config.table
        if self._failed:
            return Table(name), f"add table ip {name}\ndelete table ip {name}\n{base(self._config)}"
        chains = [one for one in await nft.names("chain", "ip", name) if _is_of_service(one)]
        sets = [one for one in await nft.names("set", "ip", name) if _is_of_service(one)]
        return Table(name, chains, sets), base(self._config)

    async def _change(self, table: Table, keys: Iterable[str], *, full: bool) -> None:
        waiting = dict.fromkeys(keys, False)  # True: it may get what another service held
        turn = self._clock.monotonic()
        while waiting:
            key, again = waiting.popitem()
            before = self._views.get(key, _NOTHING)
            now = settled(self._cluster.view(key), before)
            if full or again or now != before:
                self._note(key, before, now)
                old = Rules() if full and not again else self._rules(before)
                for other in table.replace(key, old, self._rules(now)):
                    waiting[other] = True
            if self._clock.monotonic() - turn > _TURN:
                await asyncio.sleep(0)
                turn = self._clock.monotonic()

    def _rules(self, one: View) -> Rules:
        return rules(one.ports, self._config, self._cluster.node_ip())

    def _note(self, key: str, before: View, now: View) -> None:
        """Remember what follows from the change besides rules."""
        for view, sign in ((before, -1), (now, 1)):
            for port in view.ports:
                self.homeless["internal"] += sign * port.homeless(port.internal_local)
                self.homeless["external"] += sign * port.homeless(
                    port.external_local and port.external
                )
        old = {port.name: port for port in before.ports}
        for port in now.ports:
            was = old.pop(port.name, None)
            if port.protocol == "udp" and (
                not was or set(was.serving) - set(port.serving) or not was.serving
            ):
                self._udp[port.name] = port
        self._udp |= {name: replace(one, serving=()) for name, one in old.items() if one.serving}
        for where, there in ((self._views, now.ports), (self.checked, now.health_port)):
            if there:
                where[key] = now
            else:
                where.pop(key, None)


def _is_of_service(name: str) -> bool:
    return "/" in name or name.startswith("balance-")
