# SPDX-License-Identifier: Apache-2.0
"""nftables: one script is one transaction; it is applied whole or not at all."""

import json
import socket
import struct

from pybernetes.linux.commands import run, succeeds

_NETFILTER, _GET_GENERATION = 12, (10 << 8) | 16


async def apply(script: str) -> None:
    """Apply `script` atomically. Raises CommandError with what nft said."""
    await run(["nft", "-f", "-"], script)


async def delete_table(family: str, name: str) -> None:
    """Remove a table and all that is in it; fine if there is none."""
    await succeeds(["nft", "delete", "table", family, name])


async def names(kind: str, family: str, table: str) -> list[str]:
    """The names of what `table` has ("chain", "set"), without contents. Raises CommandError."""
    found = json.loads(await run(["nft", "-j", "-t", "list", f"{kind}s", family]))["nftables"]
    return [one[kind]["name"] for one in found if one.get(kind, {}).get("table") == table]


def generation() -> int:
    """A number that every transaction of anybody in this network namespace changes."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
        kernel.bind((0, 0))
        kernel.send(struct.pack("=IHHIIBBH", 20, _GET_GENERATION, 1, 1, 0, 0, 0, 0))
        answer = kernel.recv(4096)
    return int.from_bytes(answer[24:28], "big")  # after both headers: NFTA_GEN_ID comes first
