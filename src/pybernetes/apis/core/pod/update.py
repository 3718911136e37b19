# SPDX-License-Identifier: Apache-2.0
"""Pod: which changes of an existing pod are refused, in upstream's words.

Unlike upstream, the refusal of a change names the changed fields instead of printing a Go diff.
"""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import (
    Errors,
    forbidden,
    invalid,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.core.nodeaffinity import REQUIRED
from pybernetes.apis.core.pod.validation import validate_spec
from pybernetes.apis.validation.addresses import address, validate_ip
from pybernetes.apis.validation.meta import IMMUTABLE, same
from pybernetes.apis.validation.names import dns1123_subdomain, in_range, qualified_name

_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(new: Object, old: Object) -> Errors:
    errors = validate_spec(new)
    spec, was = new["spec"], old["spec"]
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(was.get(field) or ()):
            text = "pod updates may not add or remove containers"
            errors.append(forbidden(f"spec.{field}", text))
            return errors
    if not _deadline(spec, was, errors):
        return errors
    if not same(spec.get("tolerations"), was.get("tolerations")):
        _tolerations(spec.get("tolerations") or [], was.get("tolerations") or (), errors)
    _gates(spec.get("schedulingGates") or (), was.get("schedulingGates") or (), errors)
    if spec != was:
        _fixed_fields(spec, was, errors)
    return errors


def _deadline(spec: Object, was: Object, errors: Errors) -> bool:
    at = "spec.activeDeadlineSeconds"
    seconds, before = spec.get("activeDeadlineSeconds"), was.get("activeDeadlineSeconds")
    if seconds is None:
        if before is not None:
            text = "must not update from a positive integer to nil value"
            errors.append(invalid(at, None, text))
        return True
    if not 0 <= seconds <= 2147483647:
        errors.append(invalid(at, seconds, in_range(0, 2147483647)))
        return False
    if before is not None and before < seconds:
        errors.append(invalid(at, seconds, "must be less than or equal to previous value"))
        return False
    return True


def _tolerations(new: list[Object], old: list[Object] | tuple[()], errors: Errors) -> None:
    known = [_without_seconds(toleration) for toleration in new]
    if any(_without_seconds(toleration) not in known for toleration in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(forbidden("spec.tolerations", text))


def _without_seconds(toleration: Object) -> Object:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}


def _gates(new: list[Object] | tuple[()], old: list[Object] | tuple[()], errors: Errors) -> None:
    known = [gate["name"] for gate in old]
    for number, gate in enumerate(new):
        if gate.get("name") not in known:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            errors.append(forbidden(f"spec.schedulingGates[{number}].name", text))


def _fixed_fields(spec: Object, was: Object, errors: Errors) -> None:
    allowed = ["activeDeadlineSeconds", "schedulingGates", "tolerations"]
    before, grace = (one.get("terminationGracePeriodSeconds") or 0 for one in (was, spec))
    if before < 0 and grace == 1:
        allowed.append("terminationGracePeriodSeconds")
    munged, kept = _but(spec, allowed), _but(was, allowed)
    for field in ("containers", "initContainers"):
        munged[field] = [_but(container, ["image"]) for container in spec.get(field) or ()]
        kept[field] = [_but(container, ["image"]) for container in was.get(field) or ()]
    if was.get("schedulingGates"):
        _gated(munged, kept, errors)
    changed = sorted(key for key in {*munged, *kept} if not same(munged.get(key), kept.get(key)))
    if changed:
        listed = ", ".join(f"spec.{field}" for field in changed)
        text = f"pod updates may not change fields other than {_UPDATABLE}\nchanged: {listed}"
        errors.append(forbidden("spec", text))


def _but(obj: Object, fields: list[str]) -> Object:
    return {key: value for key, value in obj.items() if key not in fields}


def _gated(munged: Object, kept: Object, errors: Errors) -> None:
    """A gated pod may still be told more narrowly where to run."""
    selector, before = munged.pop("nodeSelector", None) or {}, kept.pop("nodeSelector", None) or {}
    if any(selector.get(key) != value for key, value in before.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid("spec.nodeSelector", selector, text))
    affinity, old = munged.get("affinity") or {}, kept.get("affinity") or {}
    _narrower(affinity.get("nodeAffinity") or {}, old.get("nodeAffinity") or {}, errors)
    for spec, value in ((munged, affinity), (kept, old)):
        spec["affinity"] = _but(value, ["nodeAffinity"])


def _narrower(new: Object, old: Object, errors: Errors) -> None:
    at = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    before = look(old, REQUIRED, "nodeSelectorTerms") or []
    after = look(new, REQUIRED, "nodeSelectorTerms") or []
    if not before:
        return
    if len(before) != len(after):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid(at, after, text))
        return
    for number, (term, was) in enumerate(zip(after, before, strict=True)):
        fields = ("matchExpressions", "matchFields")
        if any(one not in (term.get(name) or ()) for name in fields for one in was.get(name) or ()):
            text = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid(f"{at}[{number}]", term, text))


def validate_pod_status_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    status, was = new.get("status") or {}, old.get("status") or {}
    for number, condition in enumerate(status.get("conditions") or ()):
        name = condition.get("type") or ""
        path = f"status.conditions[{number}].Type"
        errors.extend(invalid(path, name, text) for text in qualified_name(name))
    _nominated(new, old, errors)
    if status.get("qosClass") != was.get("qosClass"):
        errors.append(invalid("status.qosClass", status.get("qosClass"), IMMUTABLE))
    for field in ("containerStatuses", "initContainerStatuses"):
        _no_return(field, new, old, errors)
    _addresses(status, was, errors)
    return errors


def _nominated(new: Object, old: Object, errors: Errors) -> None:
    name, before = (look(pod, "status", "nominatedNodeName") or "" for pod in (new, old))
    if not name or name == before:
        return
    at = "status.nominatedNodeName"
    errors.extend(invalid(at, name, text) for text in dns1123_subdomain(name))
    if old["spec"].get("nodeName"):
        errors.append(forbidden(at, "may not be set on pods that are already bound to a node"))


def _no_return(field: str, new: Object, old: Object, errors: Errors) -> None:
    """Containers that ended for good must not be reported as running again."""
    spec = old["spec"]
    name = "containers" if field == "containerStatuses" else "initContainers"
    containers = {one["name"]: one for one in spec.get(name) or ()}
    now = {one.get("name"): one for one in (new.get("status") or {}).get(field) or ()}
    for number, status in enumerate((old.get("status") or {}).get(field) or ()):
        ended = look(status, "state", "terminated")
        current = now.get(status.get("name"))
        if ended is None or current is None or look(current, "state", "terminated") is not None:
            continue
        container = containers.get(status.get("name")) or {}
        if not _may_restart(container, spec.get("restartPolicy"), ended, init=name != "containers"):
            text = "may not be transitioned to non-terminated state"
            errors.append(forbidden(f"status.{field}[{number}].state", text))


def _may_restart(container: Object, policy: str | None, ended: Object, *, init: bool) -> bool:
    code = ended.get("exitCode") or 0
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        if (code in (codes.get("values") or ())) == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or policy
    if policy == "Always":
        return True if not init or container.get("restartPolicy") else code != 0
    return policy == "OnFailure" and code != 0


def _addresses(status: Object, was: Object, errors: Errors) -> None:
    ips = [one.get("ip") or "" for one in status.get("podIPs") or ()]
    known = [one.get("ip") or "" for one in was.get("podIPs") or ()]
    at = "status.podIPs"
    for number, ip in enumerate(ips):
        errors.extend(validate_ip(ip, f"{at}[{number}]", known))
    families = [found.version for found in map(address, ips) if found]
    if len(ips) > 2 or (len(ips) == 2 and len(set(families)) < 2):
        text = "may specify no more than one IP for each IP family"
        errors.append(invalid(at, status["podIPs"], text))
    if bool(status.get("podIP")) != bool(ips):
        text = "podIP and podIPs must either both be set or both be unset"
        errors.append(invalid(at, status.get("podIPs"), text))


def prepare_ephemeral_update(new: Object, old: Object) -> None:
    """PUT pods/NAME/ephemeralcontainers changes nothing else."""
    containers = new["spec"].get("ephemeralContainers")
    new["spec"] = {**old["spec"], "ephemeralContainers": containers or []}
    new["status"] = old.get("status") or {}


def validate_ephemeral_update(new: Object, old: Object) -> Errors:
    """The findings of PUT pods/NAME/ephemeralcontainers."""
    if "kubernetes.io/config.mirror" in meta.annotations(old):
        return [forbidden("", "static pods do not support ephemeral containers")]
    errors = validate_spec(new)
    at = "spec.ephemeralContainers"
    now = {one.get("name"): one for one in new["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in now:
            text = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(forbidden(at, text))
        elif not same(now[name], container):
            text = f'existing ephemeral containers "{name}" may not be changed\n'
            errors.append(forbidden(at, text))
    return errors
