# SPDX-License-Identifier: Apache-2.0
"""Writes the rules of aggregated ClusterRoles by server-side apply, as upstream does."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.client.types import APPLY_PATCH
from pybernetes.controllers.clusterroleaggregation.plan import aggregated_rules
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import CLUSTER_ROLES


class ClusterRoleAggregationController:
    """Keys are names of ClusterRoles with an aggregationRule."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._roles = context.informers.get(CLUSTER_ROLES)
        self._roles.add_index(
            "aggregated", lambda role: ["yes"] if role.get("aggregationRule") else []
        )
        self._roles.on_change(self._changed)

    def _changed(self, _old: Object | None, _new: Object | None) -> None:
        for role in self._roles.by_index("aggregated", "yes"):
            self._context.queue.add(meta.name(role))

    async def sync(self, key: str) -> None:
        role = self._roles.find("", key)
        if role is None:
            return
        rules = aggregated_rules(role, self._roles.items())
        if rules is None or rules == (role.get("rules") or []):
            return
        applied = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": key},
            "rules": rules,
        }
        params = {"fieldManager": "clusterrole-aggregation-controller", "force": "true"}
        await self._context.client.patch(
            CLUSTER_ROLES, key, applied, patch_type=APPLY_PATCH, params=params
        )
