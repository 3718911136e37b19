# SPDX-License-Identifier: Apache-2.0
"""clusterrole-aggregation-controller: fills ClusterRoles that are made of others."""

from collections.abc import Sequence

from pybernetes.apimachinery import meta, selectors
from pybernetes.apimachinery.types import Object
from pybernetes.client.types import APPLY_PATCH
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.resources import CLUSTER_ROLES


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


class ClusterRoleAggregationController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(CLUSTER_ROLES))
        self._objects.add_index(
            "aggregated", lambda role: ["yes"] if role.get("aggregationRule") else []
        )
        self._follow(self._objects, self._aggregated)

    def _aggregated(self, _changed: Object) -> list[str]:
        return [meta.name(role) for role in self._objects.by_index("aggregated", "yes")]

    async def _sync(self, key: str, role: Object) -> None:
        rules = aggregated_rules(role, self._objects.items())
        if rules is None or rules == (role.get("rules") or []):
            return
        applied = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": key},
            "rules": rules,
        }
        params = {"fieldManager": "clusterrole-aggregation-controller", "force": "true"}
        await self._client.patch(CLUSTER_ROLES, key, applied, patch_type=APPLY_PATCH, params=params)
