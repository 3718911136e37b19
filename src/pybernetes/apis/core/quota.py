# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: what an object uses of it, and which objects a quota is about. Pure.

Admission (charging) and the controller (counting again) share these rules. Amounts are integers:
thousandths of a CPU for names that end in "cpu", units of everything else. Source: upstream's
quota evaluators (pkg/quota/v1).
"""

from collections.abc import Iterable, Mapping

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.nodeaffinity import requirement_matches
from pybernetes.apis.core.persistentvolume import class_of, requests
from pybernetes.apis.core.pod.requests import Amounts, pod_limits, pod_requests, qos_class
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.apis.core.podspec.affinity import pod_terms
from pybernetes.apis.core.service import needs_node_port, type_of

PODS = GVR("", "v1", "pods")
SERVICES = GVR("", "v1", "services")
CLAIMS = GVR("", "v1", "persistentvolumeclaims")
COUNTED = {  # the old names of counts
    "pods": PODS,
    "services": SERVICES,
    "persistentvolumeclaims": CLAIMS,
    "replicationcontrollers": GVR("", "v1", "replicationcontrollers"),
    "resourcequotas": GVR("", "v1", "resourcequotas"),
    "secrets": GVR("", "v1", "secrets"),
    "configmaps": GVR("", "v1", "configmaps"),
}
_CLASS = ".storageclass.storage.k8s.io/"
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def amount(name: str, text: str | float) -> int:
    """A quantity of `hard` or `used` as an integer."""
    found = quantity.parse(text)
    return found.to_milli() if name.endswith("cpu") else found.to_int()


def shown(name: str, number: int, like: str = "") -> str:
    """An integer as a quantity, in the form (binary or decimal) of `like`."""
    if name.endswith("cpu"):
        return quantity.canonical(f"{number}m")
    form = quantity.parse(like or "0").format
    return str(quantity.from_int(number, form))


def count_name(gvr: GVR) -> str:
    return f"count/{gvr.resource}.{gvr.group}" if gvr.group else f"count/{gvr.resource}"


def tracks(name: str, gvr: GVR) -> bool:
    """True if the quota resource `name` is about objects of `gvr`."""
    if name == count_name(gvr) or COUNTED.get(name) == gvr:
        return True
    if gvr == SERVICES:
        return name.startswith("services.")
    if gvr == CLAIMS:
        return name == "requests.storage" or _CLASS in name
    if gvr == PODS:
        requests = name.startswith("requests.") and name != "requests.storage"
        known = requests or name.startswith(("limits.", "hugepages-")) or name in _COMPUTE
        return known and _CLASS not in name
    return False


def usage(gvr: GVR, obj: Object) -> Amounts:
    """All that one object uses, under every name that a quota may have for it."""
    used = {count_name(gvr): 1}
    used |= {name: 1 for name, counted in COUNTED.items() if counted == gvr}
    if gvr == PODS:
        return _pod(obj) if not is_finished(obj) else {count_name(gvr): 1}
    if gvr == SERVICES:
        return used | _service(obj)
    if gvr == CLAIMS:
        return used | _claim(obj)
    return used


def _pod(pod: Object) -> Amounts:
    used: Amounts = {count_name(PODS): 1, "pods": 1}
    for name, number in pod_requests(pod).items():
        used[f"requests.{name}"] = number
        if name in _COMPUTE or name.startswith("hugepages-"):
            used[name] = number
    for name, number in pod_limits(pod).items():
        if name in _COMPUTE:
            used[f"limits.{name}"] = number
    return used


def _service(service: Object) -> Amounts:
    ports = len(service["spec"].get("ports") or ()) if needs_node_port(service) else 0
    balanced = type_of(service) == "LoadBalancer"
    return {"services.nodeports": ports, "services.loadbalancers": int(balanced)}


def _claim(claim: Object) -> Amounts:
    used = {}
    if size := requests(claim).get("storage"):
        used["requests.storage"] = amount("storage", size)
    if name := class_of(claim):
        prefix = name + _CLASS
        used[f"{prefix}persistentvolumeclaims"] = 1
        if "requests.storage" in used:
            used[f"{prefix}requests.storage"] = used["requests.storage"]
    return used


def matches(quota: Object, gvr: GVR, obj: Object) -> bool:
    """True if all scopes of the quota let it be about this object; only pods have scopes."""
    spec = quota.get("spec") or {}
    wanted = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if not wanted:
        return True
    return gvr == PODS and all(_in_scope(one, obj) for one in wanted)


def _in_scope(scope: Object, pod: Object) -> bool:
    spec, name = pod["spec"], scope["scopeName"]
    if name in {"Terminating", "NotTerminating"}:
        return bool((spec.get("activeDeadlineSeconds") is not None) == (name == "Terminating"))
    if name in {"BestEffort", "NotBestEffort"}:
        return bool((qos_class(pod) == "BestEffort") == (name == "BestEffort"))
    if name == "CrossNamespacePodAffinity":
        terms = pod_terms(spec)
        return any(term.get("namespaces") or "namespaceSelector" in term for term in terms)
    if name == "PriorityClass":
        has = spec.get("priorityClassName")
        labels = {"class": has} if has else {}
        return requirement_matches({**scope, "key": "class"}, labels)
    return False


def unspecified(quota: Object, pod: Object) -> list[str]:
    """ "name for: containers" for what the quota limits and some container does not say."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    found = []
    spec = pod["spec"]
    own = spec.get("resources") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for name in sorted(hard):
        kind, _, resource = name.rpartition(".")
        if name in _COMPUTE:
            kind, resource = "requests", name
        if kind not in {"requests", "limits"} or resource not in _COMPUTE:
            continue
        if resource in (own.get(kind) or {}):
            continue
        lacking = sorted(
            container["name"]
            for container in containers
            if resource not in ((container.get("resources") or {}).get(kind) or {})
        )
        if lacking:
            found.append(f"{name} for: {','.join(lacking)}")
    return found


def total(quota: Object, objects: Iterable[tuple[GVR, Object]]) -> dict[str, str]:
    """status.used: what the objects use of the quota's names."""
    hard: Mapping[str, str] = (quota.get("spec") or {}).get("hard") or {}
    used = dict.fromkeys(hard, 0)
    for gvr, obj in objects:
        if matches(quota, gvr, obj):
            for name, number in usage(gvr, obj).items():
                if name in used:
                    used[name] += number
    return {name: shown(name, number, hard[name]) for name, number in used.items()}
