# SPDX-License-Identifier: Apache-2.0
"""The empty chains that the CNI portmap plugin leaves in iptables' nat table when its pods are gone."""

import shlex

from pybernetes.linux.commands import CommandError, run, succeeds

_OURS, _IN_USE = "CNI-HOSTPORT-", "CNI-DN-"


def leftovers(rules: str) -> list[list[str]]:
    """What to run after `iptables -t nat -S` printed `rules`; nothing while a pod has a host port. Pure."""
    lines = [shlex.split(line) for line in rules.splitlines() if _OURS in line]
    if _IN_USE in rules:
        return []
    jumps = [["-D", *words[1:]] for words in lines if words[0] == "-A"]
    chains = [words[1] for words in lines if words[0] == "-N"]
    return [*jumps, *(["-F", name] for name in chains), *(["-X", name] for name in chains)]


async def clean_up() -> None:
    """Remove the chains; fine if there are none, or no iptables."""
    table = ["iptables", "-w", "-t", "nat"]
    try:
        rules = await run([*table, "-S"])
    except CommandError:
        return
    for words in leftovers(rules):
        await succeeds([*table, *words])
