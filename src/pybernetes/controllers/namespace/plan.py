# SPDX-License-Identifier: Apache-2.0
"""Decides a terminating namespace's conditions from what was found in it. Pure."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis import conditions
from pybernetes.apis.data.sections import document

FINALIZER_SECONDS = 15.0  # how long finalizers are expected to take


@dataclass(slots=True)
class Findings:
    """What one pass over a namespace met. `wait`: seconds until looking again is worth while."""

    discovery_error: str = ""
    errors: list[str] = field(default_factory=list)
    remaining: dict[GVR, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    wait: float = 0.0

    def count(self, gvr: GVR, items: list[Object]) -> None:
        """Note what is still there of one resource."""
        if not items:
            return
        self.remaining[gvr] = len(items)
        for item in items:
            for finalizer in item["metadata"].get("finalizers") or ():
                self.finalizers[finalizer] = self.finalizers.get(finalizer, 0) + 1
                self.wait = max(self.wait, FINALIZER_SECONDS)
            grace = float(item["metadata"].get("deletionGracePeriodSeconds") or 1)
            self.wait = max(self.wait, grace)


def plan_conditions(namespace: Object, findings: Findings, now: datetime.datetime) -> list[Object]:
    """All five conditions; lastTransitionTime moves only with the status."""
    listed: list[Object] = (namespace.get("status") or {}).get("conditions") or []
    wrong = _wrong(findings)
    # In upstream's order: reason and message where nothing is wrong.
    for kind, (reason, message) in document("conditions.json", __package__).items():
        words = wrong.get(kind, (reason, message))
        status = "True" if kind in wrong else "False"
        listed = conditions.renew(listed, conditions.new(kind, status, words, now))
    return listed


def _wrong(findings: Findings) -> dict[str, tuple[str, str]]:
    wrong: dict[str, tuple[str, str]] = {}
    if findings.discovery_error:
        words = ("DiscoveryFailed", findings.discovery_error)
        wrong["NamespaceDeletionDiscoveryFailure"] = words
    if findings.errors:
        listed = _listed(findings.errors)
        count = len(findings.errors)
        text = f"Failed to delete all resource types, {count} remaining: {listed}"
        wrong["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", text)
    if findings.remaining:
        left = findings.remaining.items()
        listed = _listed(
            f"{g.resource}.{g.group} has {count} resource instances" for g, count in left
        )
        text = f"Some resources are remaining: {listed}"
        wrong["NamespaceContentRemaining"] = ("SomeResourcesRemain", text)
    if findings.finalizers:
        held = findings.finalizers.items()
        listed = _listed(f"{name} in {count} resource instances" for name, count in held)
        text = f"Some content in the namespace has finalizers remaining: {listed}"
        wrong["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    return wrong


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(sorted(texts))
