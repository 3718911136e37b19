# SPDX-License-Identifier: Apache-2.0
"""Decides the rules of an aggregated ClusterRole. Pure."""

from collections.abc import Sequence

from pybernetes.apimachinery import meta, selectors
from pybernetes.apimachinery.types import Object


def aggregated_rules(role: Object, roles: Sequence[Object]) -> list[Object] | None:
    """The rules of all roles selected, each once, by role name; None if `role` is not made so."""
    rule = role.get("aggregationRule")
    if not rule:
        return None
    chosen = [selectors.from_label_selector(one) for one in rule.get("clusterRoleSelectors") or ()]
    result: list[Object] = []
    for other in sorted(roles, key=meta.name):
        if meta.name(other) == meta.name(role):
            continue
        if any(selector.matches(meta.labels(other)) for selector in chosen):
            result += [one for one in other.get("rules") or () if one not in result]
    return result
