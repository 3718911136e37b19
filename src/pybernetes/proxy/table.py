# SPDX-License-Identifier: Apache-2.0
"""What our nftables table holds, and the transaction that brings a change of services into it. Pure.

- An element belongs to one service. A second service that wants it too (the same external address
  and port, or a shared endpoint) waits, and gets it once the first one gives it up.
- Chains that are no longer used are emptied at once and deleted a little later: before Linux 6.2
  the kernel thinks for a while that a deleted map element still refers to them.
"""

from collections.abc import Iterable

from pybernetes.proxy.ruleset import SERVICES, Element, Rules, balance
from pybernetes.proxy.services import Backend

_AT_ONCE = 500  # elements in one command


class Table:
    """`replace` collects changes; `take` is the transaction of all of them, to be written next.

    `chains` and `sets` are in the table already (their rules are not): those that nobody asks for
    until the first `take` go.
    """

    def __init__(self, name: str, chains: Iterable[str] = (), sets: Iterable[str] = ()) -> None:
        self._name = f"ip {name}"
        self._owners: dict[Element, str] = {}
        self._waiting: dict[Element, dict[str, None]] = {}
        self._balances: set[str] = set()
        self._chains = dict.fromkeys(chains)  # in the table and not (yet) asked for
        self._sets = dict.fromkeys(sets)
        self.unused: dict[str, float] = {}  # emptied chains to delete, and since when
        self._start()

    def _start(self) -> None:
        self._declared: list[str] = []
        self._deleted: dict[str, list[str]] = {}
        self._ruled: list[str] = []
        self._added: dict[str, list[str]] = {}
        self._ended: list[str] = []
        self._emptied: list[str] = []

    def replace(self, owner: str, old: Rules, new: Rules) -> list[str]:
        """`owner` has `old` and is to have `new`; the owners that waited for something of it."""
        self._replace_chains(old, new)
        held = [one for one in old.elements if self._owners.get(one) == owner]
        before = _balanced(old, held)
        waiting: dict[str, None] = {}
        for element in [one for one in held if new.elements.get(one) != old.elements[one]]:
            del self._owners[element]
            self._deleted.setdefault(element[0], []).append(element[1])
            waiting |= self._waiting.pop(element, {})
        for element, value in new.elements.items():
            holder = self._owners.get(element)
            if holder is None:
                self._owners[element] = owner
                self._add(element, value)
            elif holder != owner:
                self._waiting.setdefault(element, {})[owner] = None
        after = _balanced(new, [one for one in new.elements if self._owners.get(one) == owner])
        for key in {**before, **after}:
            self._replace_endpoints(key, before.get(key, ()), after.get(key, ()))
        return list(waiting)

    def take(self, now: float) -> str:
        """All changes since the last time as one script; "" where there is none."""
        self.unused |= dict.fromkeys((*self._chains, *self._emptied), now)
        self._ended += [f"delete set {self._name} {name}" for name in self._sets]
        self._chains, self._sets = {}, {}
        lines = [
            *self._declared,
            *self._elements("delete", self._deleted),
            *self._ruled,
            *self._elements("add", self._added),
            *self._ended,
        ]
        self._start()
        return "\n".join([*lines, ""]) if lines else ""

    def delete_unused(self, now: float) -> str:
        """The script that deletes chains unused for a second; "" where there is none."""
        names = [name for name, since in self.unused.items() if now - since >= 1.0]
        for name in names:
            del self.unused[name]
        return "".join(f"delete chain {self._name} {name}\n" for name in names)

    def _replace_chains(self, old: Rules, new: Rules) -> None:
        for name, timeout in new.affinity_sets.items():
            self._sets.pop(name, None)
            if name not in old.affinity_sets:
                of = f"type ipv4_addr; flags dynamic,timeout; timeout {timeout}s;"
                self._declared.append(f"add set {self._name} {name} {{ {of} }}")
        for name, rules in new.chains.items():
            if old.chains.get(name) != rules:
                self._write(name, rules, known=name in old.chains)
        for name in old.chains:
            if name not in new.chains:
                self._ended.append(f"flush chain {self._name} {name}")
                self._emptied.append(name)
        self._ended += [
            f"delete set {self._name} {name}"
            for name in old.affinity_sets
            if name not in new.affinity_sets
        ]

    def _write(self, name: str, rules: Iterable[str], *, known: bool) -> None:
        self._chains.pop(name, None)
        self.unused.pop(name, None)
        self._declared.append(f"{'flush' if known else 'add'} chain {self._name} {name}")
        self._ruled += [f"add rule {self._name} {name} {rule}" for rule in rules]

    def _replace_endpoints(
        self, key: str, old: tuple[Backend, ...], new: tuple[Backend, ...]
    ) -> None:
        """Write those that differ; their place in the tuple is the number that is drawn."""
        address, protocol, port = key.split(" . ")
        where, chain = f"{protocol}-endpoints", f"balance-{protocol}-{len(new)}"
        if new and chain not in self._balances:
            self._balances.add(chain)
            self._write(chain, balance(protocol, len(new)), known=False)
        for at in range(max(len(old), len(new))):
            if old[at : at + 1] == new[at : at + 1]:
                continue
            place = f"{address} . {port} . {at}"
            if at < len(old):
                self._deleted.setdefault(where, []).append(place)
            if at < len(new):
                self._add((where, place), f"{new[at][0]} . {new[at][1]}")

    def _add(self, element: Element, value: str) -> None:
        where, key = element
        self._added.setdefault(where, []).append(f"{key} : {value}" if value else key)

    def _elements(self, verb: str, changes: dict[str, list[str]]) -> list[str]:
        return [
            f"{verb} element {self._name} {name} {{ {', '.join(elements[at : at + _AT_ONCE])} }}"
            for name, elements in changes.items()
            for at in range(0, len(elements), _AT_ONCE)
        ]


def _balanced(rules: Rules, held: Iterable[Element]) -> dict[str, tuple[Backend, ...]]:
    """The endpoints of those addresses that are the owner's."""
    keys = [key for name, key in held if name == SERVICES]
    return {key: rules.balanced[key] for key in keys if key in rules.balanced}
