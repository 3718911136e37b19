# SPDX-License-Identifier: Apache-2.0
"""StatefulSet: numbered pods, each with claims of its own."""

import datetime

from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, container_columns, look
from pybernetes.apis.core.persistentvolumeclaim import default_claim, validate_claim_spec
from pybernetes.apis.core.podspec.defaults import default_template, fill, fill_missing
from pybernetes.apis.core.podspec.workload import (
    is_zero,
    validate_at_most_100,
    validate_int_or_percent,
    validate_non_negative,
    validate_selector,
    validate_status_counts,
    validate_template,
)
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import NEGATIVE, validate_immutable
from pybernetes.apis.validation.names import dns1123_label

_RETENTION = ["Delete", "Retain"]
_FIXED = ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy")


def _default(stateful_set: Object) -> None:
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


def _validate(stateful_set: Object) -> Errors:
    errors: Errors = []
    spec = stateful_set["spec"]
    policy = spec.get("podManagementPolicy")
    if not policy:
        errors.append(required("spec.podManagementPolicy"))
    elif policy not in {"OrderedReady", "Parallel"}:
        text = "must be 'OrderedReady' or 'Parallel'"
        errors.append(invalid("spec.podManagementPolicy", policy, text))
    _strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy", errors)
    at = "spec.persistentVolumeClaimRetentionPolicy"
    for field, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        if value not in _RETENTION:
            errors.append(not_supported(f"{at}.{field}", value, _RETENTION))
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        path = f"spec.volumeClaimTemplates[{index}].spec"
        validate_claim_spec(claim.get("spec") or {}, path, errors)
    validate_non_negative(spec, ("replicas", "minReadySeconds"), errors)
    start = look(spec, "ordinals", "start") or 0
    if start < 0:
        errors.append(invalid("spec.ordinals.start", start, NEGATIVE))
    service = spec.get("serviceName") or ""
    wrong = dns1123_label(service) if service else ()
    errors.extend(invalid("spec.serviceName", service, text) for text in wrong)
    validate_selector(spec, errors, "statefulset")
    validate_template(_with_claims(spec), errors, always="StatefulSet")
    return errors


def _with_claims(spec: Object) -> Object:
    """The spec with the volumes and without the host name that the controller decides."""
    template = spec.get("template") or {}
    claims = [(claim.get("metadata") or {}).get("name") for claim in _claims(spec)]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    pod = template.get("spec") or {}
    volumes += [one for one in pod.get("volumes") or () if one.get("name") not in claims]
    kept = {key: value for key, value in pod.items() if key not in {"hostname", "subdomain"}}
    return {**spec, "template": {**template, "spec": {**kept, "volumes": volumes}}}


def _claims(spec: Object) -> list[Object]:
    return spec.get("volumeClaimTemplates") or []


def _strategy(strategy: Object, at: str, errors: Errors) -> None:
    type_, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if not type_:
        errors.append(required(at))
    elif type_ == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(invalid(f"{at}.rollingUpdate", rolling, text))
    elif type_ != "RollingUpdate":
        errors.append(invalid(at, strategy, "must be 'RollingUpdate' or 'OnDelete'"))
    elif rolling is not None:
        _rolling(rolling, f"{at}.rollingUpdate", errors)


def _rolling(rolling: Object, at: str, errors: Errors) -> None:
    if (rolling.get("partition") or 0) < 0:
        errors.append(invalid(f"{at}.partition", rolling["partition"], NEGATIVE))
    most = rolling.get("maxUnavailable")
    if most is not None:
        validate_int_or_percent(most, f"{at}.maxUnavailable", errors)
        if is_zero(most):
            errors.append(invalid(f"{at}.maxUnavailable", most, "cannot be 0"))
        validate_at_most_100(most, f"{at}.maxUnavailable", errors)


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    for field in _FIXED:
        value, was = new["spec"].get(field), old["spec"].get(field)
        validate_immutable(value, was, f"spec.{field}", errors)
    return errors


_COUNTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def _validate_status_update(new: Object, _: Object) -> Errors:
    errors: Errors = []
    validate_status_counts(new.get("status") or {}, _COUNTS, ("collisionCount",), errors)
    return errors


def _ready(stateful_set: Object, _: datetime.datetime) -> str:
    ready = look(stateful_set, "status", "readyReplicas") or 0
    return f"{ready}/{look(stateful_set, 'spec', 'replicas') or 0}"


STATEFUL_SET = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    validate_name=dns1123_label,
    columns=(
        NAME,
        Column("Ready", _ready),
        AGE,
        *container_columns("spec", "template", "spec"),
    ),
)
