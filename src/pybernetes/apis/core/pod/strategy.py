# SPDX-License-Identifier: Apache-2.0
"""Pod: what the API server fills in, sets and keeps when pods (not templates) are written."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.core.pod.requests import default_pod_level, qos_class
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.apis.core.podspec.affinity import pod_terms

_GATED = "Scheduling is blocked due to non-empty scheduling gates"


def default_pod(pod: Object) -> None:
    """Upstream's SetDefaults_Pod and _PodStatus."""
    spec = pod["spec"]
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            _requests_from_limits(container["resources"])
            if spec.get("hostNetwork"):
                _host_ports(container)
    if pod.get("status"):
        _addresses(pod["status"])


def _requests_from_limits(resources: Object) -> None:
    limits = resources.get("limits")
    if limits is not None:
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _host_ports(container: Object) -> None:
    for port in container.get("ports") or ():
        if not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]


def _addresses(status: Object) -> None:
    """Keep podIP and podIPs in step; podIP wins where they differ."""
    first = ((status.get("podIPs") or [{}])[0]).get("ip")
    if status.get("podIP"):
        if first != status["podIP"]:
            status["podIPs"] = [{"ip": status["podIP"]}]
    elif first:
        status["podIP"] = first


def prepare_create(pod: Object) -> None:
    spec = pod["spec"]
    status: Object = {"phase": "Pending"}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": _GATED,
                "lastTransitionTime": look(pod, "metadata", "creationTimestamp"),
            }
        ]
    pod["status"] = status
    _merge_label_keys(pod)
    default_pod_level(spec)
    status["qosClass"] = qos_class(pod)


def _merge_label_keys(pod: Object) -> None:
    """Write matchLabelKeys and mismatchLabelKeys into the selectors they stand for."""
    spec, labels = pod["spec"], look(pod, "metadata", "labels") or {}
    for term in (*(spec.get("topologySpreadConstraints") or ()), *pod_terms(spec)):
        if term.get("labelSelector") is not None:
            _add_keys(term["labelSelector"], term, labels)


def _add_keys(selector: Object, term: Object, labels: dict[str, str]) -> None:
    expressions = selector.get("matchExpressions") or []
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field) or ():
            if key in labels:
                new = {"key": key, "operator": operator, "values": [labels[key]]}
                expressions = [*expressions, new]
    if expressions:
        selector["matchExpressions"] = expressions


def prepare_update(new: Object, old: Object) -> None:
    """Clients that do not know pod-level resources yet must not lose them."""
    kept = old["spec"].get("resources")
    if kept is not None and new["spec"].get("resources") is None:
        new["spec"]["resources"] = kept


_KEPT_STATUS = (
    "resourceClaimStatuses",
    "extendedResourceClaimStatus",
    "nodeAllocatableResourceClaimStatuses",
)


def prepare_status_update(new: Object, old: Object) -> None:
    """The server's own fields survive: qosClass, owners, claims, observed generations."""
    metadata, was = new["metadata"], old.get("status") or {}
    metadata.pop("ownerReferences", None)
    if owners := meta.owner_references(old):
        metadata["ownerReferences"] = owners
    status = new["status"] = dict(new.get("status") or {})
    for field in ("qosClass", "observedGeneration"):
        if not status.get(field) and was.get(field):
            status[field] = was[field]
    for field in _KEPT_STATUS:
        if status.get(field) is None and was.get(field) is not None:
            status[field] = was[field]
    if status.get("conditions") and was.get("conditions"):
        status["conditions"] = _observed(status["conditions"], was["conditions"])


def _observed(conditions: list[Object], old: list[Object]) -> list[Object]:
    known: dict[str, list[int]] = {}
    for condition in old:
        known.setdefault(condition["type"], []).append(condition.get("observedGeneration") or 0)
    result = []
    for condition in conditions:
        generations = known.get(condition.get("type") or "")
        generation = generations.pop(0) if generations else 0
        missing = generation and not condition.get("observedGeneration")
        result.append({**condition, "observedGeneration": generation} if missing else condition)
    return result


def grace_seconds(pod: Object, requested: int | None = None) -> int:
    """How long a deleted pod has to stop: 0 where nothing runs, never negative."""
    asked = look(pod, "spec", "terminationGracePeriodSeconds") if requested is None else requested
    if not look(pod, "spec", "nodeName") or is_finished(pod):
        return 0
    return 1 if (asked or 0) < 0 else int(asked or 0)
