# SPDX-License-Identifier: Apache-2.0
"""DaemonSet, StatefulSet, and the revisions that both keep (ControllerRevision)."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object, split_api_version
from pybernetes.apis import rules
from pybernetes.apis.apps.workload import is_zero, validate_template
from pybernetes.apis.validation.part import Part, same

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def set_generation(daemon_set: Object, generation: int = 1) -> None:
    annotations = {**meta.annotations(daemon_set), TEMPLATE_GENERATION: str(generation)}
    daemon_set["metadata"]["annotations"] = annotations


def follow_generation(new: Object, old: Object) -> None:
    """The template's own generation, which old clients know, follows the template."""
    text = meta.annotations(old).get(TEMPLATE_GENERATION, "")
    generation = int(text) if text.isdigit() else 0
    changed = not same(new["spec"].get("template"), old["spec"].get("template"))
    set_generation(new, generation + changed)


def validate_daemon_strategy(strategy: Part) -> None:
    rolling = strategy.child("rollingUpdate")
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    if strategy.get("type") != "RollingUpdate":
        return
    if not is_zero(unavailable) and not is_zero(surge):
        rolling.invalid("maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif is_zero(unavailable) and is_zero(surge):
        rolling.required("maxUnavailable", "cannot be 0 when maxSurge is 0")


def validate_stateful(part: Part) -> None:
    spec = part.child("spec")
    with_claims = Part(_with_claims(spec.obj), spec.at, spec.errors)
    if spec.get("template"):
        rules.of("io.k8s.api.core.v1.PodTemplateSpec").check(with_claims.child("template"))
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


def controller(revision: Object, _: datetime.datetime) -> str:
    owner = meta.controller_of(revision)
    if owner is None:
        return "<none>"
    group = split_api_version(owner.get("apiVersion") or "")[0]
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
