# SPDX-License-Identifier: Apache-2.0
"""nftables: one script is one transaction; it is applied whole or not at all."""

from pybernetes.linux.commands import run, succeeds


async def apply(script: str) -> None:
    """Apply `script` atomically. Raises CommandError with what nft said."""
    await run(["nft", "-f", "-"], script)


async def delete_table(family: str, name: str) -> None:
    """Remove a table and all that is in it; fine if there is none."""
    await succeeds(["nft", "delete", "table", family, name])
