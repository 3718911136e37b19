# SPDX-License-Identifier: Apache-2.0
"""Decides what of a quota's namespace has to be counted, and its status. Pure."""

from collections.abc import Iterable

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core import quota as rules


def counted_names(quotas: Iterable[Object]) -> set[str]:
    """ "deployments.apps" for every count/deployments.apps that a quota limits."""
    return {
        name.removeprefix("count/")
        for quota in quotas
        for name in (quota.get("spec") or {}).get("hard") or {}
        if name.startswith("count/")
    }


def plan_status(quota: Object, objects: Iterable[tuple[GVR, Object]]) -> Object:
    hard = (quota.get("spec") or {}).get("hard") or {}
    return {"hard": hard, "used": rules.total(quota, objects)}


def frees(gvr: GVR, old: Object, new: Object | None) -> bool:
    """True if what an object uses became less (or other): its quotas have to be counted again."""
    return new is None or rules.usage(gvr, old) != rules.usage(gvr, new)
