# SPDX-License-Identifier: Apache-2.0
"""Bridges, addresses, routes: through iproute2's `ip`."""

import contextlib
import json
from pathlib import Path
from typing import Any

from pybernetes.linux.commands import CommandError, run, succeeds


async def ensure_bridge(name: str, address: str) -> None:
    """A bridge `name` that is up and holds `address` ("10.244.0.1/24")."""
    if not await exists(name):
        await run(["ip", "link", "add", name, "type", "bridge"])
    await add_address(name, address)
    await set_up(name, up=True)


async def ensure_veth(name: str, bridge: str, peer: str, netns: Path) -> None:
    """A veth `name` on `bridge` whose other end is `peer` in the namespace pinned at `netns`."""
    if not await exists(name):
        far = ["peer", "name", peer, "netns", str(netns)]
        await run(["ip", "link", "add", name, "up", "master", bridge, "type", "veth", *far])


async def add_address(name: str, address: str) -> None:
    """Give the link `address` ("10.244.0.1/24"), if it has not got it yet."""
    await run(["ip", "address", "replace", address, "dev", name])


async def attach(name: str, bridge: str, *, up: bool) -> None:
    """Make a link a port of `bridge`, and turn it on or off."""
    await run(["ip", "link", "set", name, "master", bridge, "up" if up else "down"])


async def set_up(name: str, *, up: bool) -> None:
    """Turn a link on or off."""
    await run(["ip", "link", "set", name, "up" if up else "down"])


async def exists(name: str) -> bool:
    return await succeeds(["ip", "link", "show", "dev", name])


async def is_off(name: str) -> bool:
    """True for a link that is there and turned off."""
    with contextlib.suppress(CommandError):
        return "UP" not in json.loads(await run(["ip", "-json", "link", "show", name]))[0]["flags"]
    return False


async def on_bridge(bridge: str) -> list[str]:
    """The names of the links that are ports of `bridge`; none if there is no bridge."""
    if not await exists(bridge):
        return []
    found = json.loads(await run(["ip", "-json", "link", "show", "master", bridge]) or "[]")
    return [str(link["ifname"]) for link in found]


async def delete_link(name: str) -> None:
    """Remove a link; fine if there is none."""
    await succeeds(["ip", "link", "delete", name])


async def replace_route(*words: str) -> None:
    """`ip route replace WORDS`."""
    await run(["ip", "route", "replace", *words])


async def delete_route(*words: str) -> None:
    """`ip route delete WORDS`; fine if there is none."""
    await succeeds(["ip", "route", "delete", *words])


async def routes() -> list[dict[str, Any]]:
    """The main table's IPv4 routes as iproute2 describes them ("dst", "dev", "gateway", ...)."""
    found: list[dict[str, Any]] = json.loads(await run(["ip", "-json", "-4", "route"]) or "[]")
    return found
