# SPDX-License-Identifier: Apache-2.0
"""rbac.authorization.k8s.io: what a role allows, and whom a binding gives it (its role is fixed)."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.part import Part

GROUP = "rbac.authorization.k8s.io"


def validate_role(role: Part) -> None:
    for rule in role.each("rules"):
        if rule.get("nonResourceURLs"):
            text = "namespaced rules cannot apply to non-resource URLs"
            rule.invalid("nonResourceURLs", rule.get("nonResourceURLs"), text)


def validate_binding(binding: Part) -> None:
    binding.child("roleRef").one_of("kind", ["ClusterRole", "Role"])


def validate_cluster_binding(binding: Part) -> None:
    binding.child("roleRef").one_of("kind", ["ClusterRole"])
    for subject in binding.each("subjects"):
        if subject.get("kind") == "ServiceAccount":
            subject.need("namespace")


def accounts(binding: Object, _: datetime.datetime) -> str:
    found = [one for one in binding.get("subjects") or () if one.get("kind") == "ServiceAccount"]
    return ", ".join(f"{one.get('namespace') or ''}/{one.get('name')}" for one in found)
