# SPDX-License-Identifier: Apache-2.0
"""Bridges, addresses, routes: through iproute2's `ip`."""

import json
from typing import Any

from pybernetes.linux.commands import run, succeeds


async def ensure_bridge(name: str, address: str) -> None:
    """A bridge `name` that is up and holds `address` ("10.244.0.1/24")."""
    if not await succeeds(["ip", "link", "show", "dev", name]):
        await run(["ip", "link", "add", name, "type", "bridge"])
    await run(["ip", "address", "replace", address, "dev", name])
    await run(["ip", "link", "set", name, "up"])


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
