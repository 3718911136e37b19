# SPDX-License-Identifier: Apache-2.0
"""DaemonSet, StatefulSet, the revisions both keep (ControllerRevision), and PodTemplate."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object, split_api_version
from pybernetes.apis.apps.replicas import ready
from pybernetes.apis.apps.workload import (
    at_most_all,
    count_or_percent,
    is_zero,
    validate_selector,
    validate_status_counts,
    validate_template,
)
from pybernetes.apis.columns import (
    AGE,
    NAME,
    container_columns,
    labels_cell,
    number,
    of_containers,
    selector_cell,
)
from pybernetes.apis.core.persistentvolume import default_claim, validate_claim_spec
from pybernetes.apis.core.podspec.defaults import default_template, fill, fill_missing
from pybernetes.apis.core.podspec.validation import validate_pod_template
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import dns1123_label
from pybernetes.apis.validation.part import Part, creating, same, updating

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_POD = ("spec", "template", "spec")
_DAEMON_COUNTS = (
    *("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
    *("observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable"),
    "collisionCount",
)


def _default_daemon(daemon_set: Object) -> None:
    spec: Object = daemon_set.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    strategy: Object = spec.setdefault("updateStrategy", {})
    fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill_missing(strategy, {"rollingUpdate": {}})
        fill_missing(strategy["rollingUpdate"], {"maxUnavailable": 1, "maxSurge": 0})
    fill_missing(spec, {"revisionHistoryLimit": 10})


def _set_generation(daemon_set: Object, generation: int = 1) -> None:
    annotations = {**meta.annotations(daemon_set), TEMPLATE_GENERATION: str(generation)}
    daemon_set["metadata"]["annotations"] = annotations


def _prepare_daemon_update(new: Object, old: Object) -> None:
    """The template's own generation, which old clients know, follows the template."""
    text = meta.annotations(old).get(TEMPLATE_GENERATION, "")
    generation = int(text) if text.isdigit() else 0
    changed = not same(new["spec"].get("template"), old["spec"].get("template"))
    _set_generation(new, generation + changed)


def _daemon(part: Part) -> None:
    spec = part.child("spec")
    validate_selector(spec, "daemonset")
    validate_template(spec, "DaemonSet", spec.get("selector"))
    spec.counts("minReadySeconds", "revisionHistoryLimit")
    strategy = spec.child("updateStrategy")
    if strategy.get("type") == "RollingUpdate":
        rolling = strategy.child("rollingUpdate")
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        for field in ("maxUnavailable", "maxSurge"):
            rolling.set_rule(field, count_or_percent)
            rolling.set_rule(field, at_most_all)
        if not is_zero(unavailable) and not is_zero(surge):
            rolling.invalid("maxSurge", surge, "may not be set when maxUnavailable is non-zero")
        elif is_zero(unavailable) and is_zero(surge):
            rolling.required("maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif strategy.get("type") != "OnDelete":
        strategy.unsupported("", strategy.obj, ["RollingUpdate", "OnDelete"])


DAEMON_SET = Kind(
    default=_default_daemon,
    prepare_create=_set_generation,
    prepare_update=_prepare_daemon_update,
    validate_create=creating(_daemon),
    validate_update=updating(_daemon, "spec.selector"),
    validate_status_update=updating(lambda part: part.child("status").counts(*_DAEMON_COUNTS)),
    columns=(
        NAME,
        Column("Desired", number("status", "desiredNumberScheduled"), type="integer"),
        Column("Current", number("status", "currentNumberScheduled"), type="integer"),
        Column("Ready", number("status", "numberReady"), type="integer"),
        Column("Up-to-date", number("status", "updatedNumberScheduled"), type="integer"),
        Column("Available", number("status", "numberAvailable"), type="integer"),
        Column("Node Selector", labels_cell(*_POD, "nodeSelector")),
        AGE,
        *container_columns(*_POD),
        Column("Selector", selector_cell("spec", "selector"), priority=1),
    ),
)


def _default_stateful(stateful_set: Object) -> None:
    spec: Object = stateful_set.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    fill(spec, {"podManagementPolicy": "OrderedReady"})
    strategy: Object = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        fill_missing(strategy, {"rollingUpdate": {}})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        fill_missing(strategy["rollingUpdate"], {"partition": 0, "maxUnavailable": 1})
    fill_missing(spec, {"persistentVolumeClaimRetentionPolicy": {}})
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    fill(spec["persistentVolumeClaimRetentionPolicy"], retention)
    fill_missing(spec, {"replicas": 1, "revisionHistoryLimit": 10})
    for claim in spec.get("volumeClaimTemplates") or ():
        fill(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
        default_claim(claim)


def _management(policy: str) -> list[str]:
    fine = policy in {"OrderedReady", "Parallel"}
    return [] if fine else ["must be 'OrderedReady' or 'Parallel'"]


def _stateful(part: Part) -> None:
    spec = part.child("spec")
    spec.need_rule("podManagementPolicy", _management)
    _strategy(spec)
    retention = spec.child("persistentVolumeClaimRetentionPolicy")
    for field in retention.obj:
        retention.one_of(field, ["Delete", "Retain"])
    for claim in spec.each("volumeClaimTemplates"):
        validate_claim_spec(claim.child("spec"))
    spec.counts("replicas", "minReadySeconds")
    spec.child("ordinals").counts("start")
    spec.rule("serviceName", dns1123_label)
    validate_selector(spec, "statefulset")
    with_claims = Part(_with_claims(spec.obj), spec.at, spec.errors)
    validate_template(with_claims, "StatefulSet", spec.get("selector"))


def _with_claims(spec: Object) -> Object:
    """The spec with the volumes and without the host name that the controller decides."""
    template, claims = spec.get("template") or {}, spec.get("volumeClaimTemplates") or ()
    names = [(claim.get("metadata") or {}).get("name") for claim in claims]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    pod = template.get("spec") or {}
    volumes += [one for one in pod.get("volumes") or () if one.get("name") not in names]
    kept = {key: value for key, value in pod.items() if key not in {"hostname", "subdomain"}}
    return {**spec, "template": {**template, "spec": {**kept, "volumes": volumes}}}


def _strategy(spec: Part) -> None:
    strategy = spec.child("updateStrategy")
    type_, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if not type_:
        strategy.required("")
    elif type_ == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            strategy.invalid("rollingUpdate", rolling, text)
    elif type_ != "RollingUpdate":
        strategy.invalid("", strategy.obj, "must be 'RollingUpdate' or 'OnDelete'")
    else:
        part = strategy.child("rollingUpdate")
        part.counts("partition")
        part.set_rule("maxUnavailable", count_or_percent)
        if is_zero(part.get("maxUnavailable")):
            part.invalid("maxUnavailable", part.get("maxUnavailable"), "cannot be 0")
        part.set_rule("maxUnavailable", at_most_all)


_FIXED = ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy")
_COUNTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
STATEFUL_SET = Kind(
    default=_default_stateful,
    validate_create=creating(_stateful),
    validate_update=updating(_stateful, *(f"spec.{field}" for field in _FIXED)),
    validate_status_update=updating(
        lambda part: validate_status_counts(part, _COUNTS, ("collisionCount",))
    ),
    validate_name=dns1123_label,
    columns=(NAME, Column("Ready", ready), AGE, *container_columns(*_POD)),
)


def _controller(revision: Object, _: datetime.datetime) -> str:
    owner = meta.controller_of(revision)
    if owner is None:
        return "<none>"
    group = split_api_version(owner.get("apiVersion") or "")[0]
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


CONTROLLER_REVISION = Kind(
    validate_create=creating(lambda revision: revision.counts("revision")),
    validate_update=updating(lambda revision: revision.counts("revision"), "data"),
    columns=(NAME, Column("Controller", _controller), Column("Revision", number("revision")), AGE),
)


def _template(part: Part) -> None:
    validate_pod_template(part.child("template"))


POD_TEMPLATE = Kind(
    default=lambda obj: default_template(obj.setdefault("template", {})),
    validate_create=creating(_template),
    validate_update=updating(_template),
    columns=(
        NAME,
        Column("Containers", of_containers("name", "template", "spec")),
        Column("Images", of_containers("image", "template", "spec")),
        Column("Pod Labels", labels_cell("template", "metadata", "labels")),
    ),
)
