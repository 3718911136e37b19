# SPDX-License-Identifier: Apache-2.0
"""Pod: what is wrong with one, and with a change of one, beyond the rows of data/rules.txt.

Unlike upstream, the refusal of a change names the changed fields instead of printing a Go diff.
"""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, forbidden
from pybernetes.apimachinery.types import Object
from pybernetes.apis import rules
from pybernetes.apis.columns import look
from pybernetes.apis.core.nodeaffinity import REQUIRED
from pybernetes.apis.core.pod.status import may_restart_all
from pybernetes.apis.core.podspec.defaults import CONTAINER_LISTS
from pybernetes.apis.core.podspec.volumes import validate_own_claims
from pybernetes.apis.validation.addresses import address, ip
from pybernetes.apis.validation.names import dns1123_subdomain, qualified_name, user_id
from pybernetes.apis.validation.part import IMMUTABLE, Part, changed, same

_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_SECONDS = ["tolerationSeconds"]


def checked(pod: Object) -> Part:
    """The spec, with all findings that do not depend on what the pod was."""
    part = Part(pod)
    rules.of("io.k8s.api.core.v1.Pod").check(part, without="status")
    validate_pod(part)
    return part.child("spec")


def validate_new(pod: Part) -> None:
    spec = pod.child("spec")
    if spec.get("ephemeralContainers"):
        spec.forbidden("ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        spec.forbidden("nodeName", "cannot be set until all schedulingGates have been cleared")


def validate_pod(pod: Part) -> None:
    """What holds on create and on every kind of update, and not for templates."""
    spec = pod.child("spec")
    spec.counts("terminationGracePeriodSeconds")
    if spec.get("volumes"):
        validate_own_claims(spec, meta.name(pod.obj))
        if not spec.get("serviceAccountName"):
            _tokens(spec)
    for field in CONTAINER_LISTS:
        for number, container in enumerate(spec.get(field) or ()):
            image = container.get("image") or ""
            if image != image.strip():
                text = "must not have leading or trailing whitespace"
                spec.invalid(f"{field}[{number}].image", image, text)


def _tokens(spec: Part) -> None:
    for volume in spec.each("volumes"):
        for source in volume.child("projected").each("sources"):
            if source.get("serviceAccountToken") is not None:
                text = "must not be specified when serviceAccountName is not set"
                source.forbidden("serviceAccountToken", text)


def validate_pod_update(pod: Part, old: Object) -> None:
    spec, was = pod.child("spec"), old["spec"]
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(was.get(field) or ()):
            spec.forbidden(field, "pod updates may not add or remove containers")
            return
    if not _deadline(spec, was):
        return
    tolerations = spec.get("tolerations") or []
    if not same(tolerations, was.get("tolerations")):
        known = [_but(toleration, _SECONDS) for toleration in tolerations]
        if any(
            _but(toleration, _SECONDS) not in known for toleration in was.get("tolerations") or ()
        ):
            text = "existing toleration can not be modified except its tolerationSeconds"
            spec.forbidden("tolerations", text)
    gates = [gate["name"] for gate in was.get("schedulingGates") or ()]
    for gate in spec.each("schedulingGates"):
        if gate.get("name") not in gates:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            gate.forbidden("name", text)
    if spec.obj != was:
        _fixed_fields(spec, was)


def _deadline(spec: Part, was: Object) -> bool:
    field = "activeDeadlineSeconds"
    seconds, before = spec.get(field), was.get(field)
    if seconds is None:
        if before is not None:
            spec.invalid(field, None, "must not update from a positive integer to nil value")
        return True
    wrong = user_id(seconds)
    if not wrong and before is not None and before < seconds:
        wrong = ["must be less than or equal to previous value"]
    spec.wrong(field, seconds, wrong)
    return not wrong


def _fixed_fields(part: Part, was: Object) -> None:
    allowed, spec = ["activeDeadlineSeconds", "schedulingGates", "tolerations"], part.obj
    before, grace = (one.get("terminationGracePeriodSeconds") or 0 for one in (was, spec))
    if before < 0 and grace == 1:
        allowed.append("terminationGracePeriodSeconds")
    munged, kept = _but(spec, allowed), _but(was, allowed)
    for field in ("containers", "initContainers"):
        munged[field] = [_but(container, ["image"]) for container in spec.get(field) or ()]
        kept[field] = [_but(container, ["image"]) for container in was.get(field) or ()]
    if was.get("schedulingGates"):
        _gated(part, munged, kept)
    if listed := changed(munged, kept):
        text = f"pod updates may not change fields other than {_UPDATABLE}\nchanged: {listed}"
        part.forbidden("", text)


def _but(obj: Object, fields: list[str]) -> Object:
    return {key: value for key, value in obj.items() if key not in fields}


def _gated(part: Part, munged: Object, kept: Object) -> None:
    """A gated pod may still be told more narrowly where to run."""
    selector, before = munged.pop("nodeSelector", None) or {}, kept.pop("nodeSelector", None) or {}
    if any(selector.get(key) != value for key, value in before.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        part.invalid("nodeSelector", selector, text)
    affinity, old = munged.get("affinity") or {}, kept.get("affinity") or {}
    _narrower(part.child("affinity").child("nodeAffinity"), old.get("nodeAffinity") or {})
    for spec, value in ((munged, affinity), (kept, old)):
        spec["affinity"] = _but(value, ["nodeAffinity"])


def _narrower(affinity: Part, old: Object) -> None:
    selector = affinity.child(REQUIRED)
    before = look(old, REQUIRED, "nodeSelectorTerms") or []
    after = selector.get("nodeSelectorTerms") or []
    if not before:
        return
    if len(before) != len(after):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        selector.invalid("nodeSelectorTerms", after, text)
        return
    for term, was in zip(selector.each("nodeSelectorTerms"), before, strict=True):
        fields = ("matchExpressions", "matchFields")
        if any(one not in (term.get(name) or ()) for name in fields for one in was.get(name) or ()):
            term.invalid("", term.obj, "only additions are allowed (no mutations or deletions)")


def validate_pod_status_update(pod: Part, old: Object) -> None:
    status, was = pod.child("status"), old.get("status") or {}
    for condition in status.each("conditions"):
        name = condition.get("type") or ""
        condition.wrong("Type", name, qualified_name(name))
    name = status.get("nominatedNodeName")
    if name and name != was.get("nominatedNodeName"):
        status.rule("nominatedNodeName", dns1123_subdomain)
        if old["spec"].get("nodeName"):
            text = "may not be set on pods that are already bound to a node"
            status.forbidden("nominatedNodeName", text)
    if status.get("qosClass") != was.get("qosClass"):
        status.invalid("qosClass", status.get("qosClass"), IMMUTABLE)
    for field in ("containerStatuses", "initContainerStatuses"):
        _no_return(status, field, old)
    _addresses(status, was)


def _no_return(part: Part, field: str, old: Object) -> None:
    """Containers that ended for good must not be reported as running again."""
    spec = old["spec"]
    if may_restart_all(spec):
        return
    name = "containers" if field == "containerStatuses" else "initContainers"
    containers = {one["name"]: one for one in spec.get(name) or ()}
    now = {one.get("name"): one for one in part.get(field) or ()}
    for number, status in enumerate((old.get("status") or {}).get(field) or ()):
        ended = look(status, "state", "terminated")
        current = now.get(status.get("name"))
        if ended is None or current is None or look(current, "state", "terminated") is not None:
            continue
        container = containers.get(status.get("name")) or {}
        if not _may_restart(container, spec.get("restartPolicy"), ended, init=name != "containers"):
            text = "may not be transitioned to non-terminated state"
            part.forbidden(f"{field}[{number}].state", text)


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


def _addresses(status: Part, was: Object) -> None:
    ips = [one.get("ip") or "" for one in status.get("podIPs") or ()]
    known = [one.get("ip") or "" for one in was.get("podIPs") or ()]
    for number, value in enumerate(ips):
        if value not in known:
            status.wrong(f"podIPs[{number}]", value, ip(value))
    families = [found.version for found in map(address, ips) if found]
    if len(ips) > 2 or (len(ips) == 2 and len(set(families)) < 2):
        text = "may specify no more than one IP for each IP family"
        status.invalid("podIPs", status.get("podIPs"), text)
    if bool(status.get("podIP")) != bool(ips):
        text = "podIP and podIPs must either both be set or both be unset"
        status.invalid("podIPs", status.get("podIPs"), text)


def prepare_ephemeral_update(new: Object, old: Object) -> None:
    """PUT pods/NAME/ephemeralcontainers changes nothing else."""
    containers = new["spec"].get("ephemeralContainers")
    new["spec"] = {**old["spec"], "ephemeralContainers": containers or []}
    new["status"] = old.get("status") or {}


def validate_ephemeral_update(new: Object, old: Object) -> Errors:
    """The findings of PUT pods/NAME/ephemeralcontainers."""
    if "kubernetes.io/config.mirror" in meta.annotations(old):
        return [forbidden("", "static pods do not support ephemeral containers")]
    spec = checked(new)
    now = {one.get("name"): one for one in spec.get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if not same(now.get(name), container):
            what = "changed" if name in now else "removed"
            text = f'existing ephemeral containers "{name}" may not be {what}\n'
            spec.forbidden("ephemeralContainers", text)
    return spec.errors
