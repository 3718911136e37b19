# SPDX-License-Identifier: Apache-2.0
"""A bridge's way past a firewall of the host's that drops what it forwards, as Docker sets one up.

What our own tables reject stays rejected: a packet needs the consent of every table.
"""

from pybernetes.linux.commands import CommandError, run, succeeds

_TABLE = ["iptables", "-w"]


async def allow(bridge: str) -> None:
    """Accept what comes from and goes to `bridge`, where the policy is to drop. Raises CommandError."""
    try:
        policy = (await run([*_TABLE, "-S", "FORWARD"])).partition("\n")[0]
    except CommandError:
        return  # no iptables here
    if "DROP" in policy:
        for rule in _rules(bridge):
            if not await succeeds([*_TABLE, "-C", "FORWARD", *rule]):
                await run([*_TABLE, "-I", "FORWARD", *rule])


async def clean_up(bridge: str) -> None:
    """Remove the rules; fine if there are none."""
    for rule in _rules(bridge):
        await succeeds([*_TABLE, "-D", "FORWARD", *rule])


def _rules(bridge: str) -> list[list[str]]:
    return [["-i", bridge, "-j", "ACCEPT"], ["-o", bridge, "-j", "ACCEPT"]]
