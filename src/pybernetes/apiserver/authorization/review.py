# SPDX-License-Identifier: Apache-2.0
"""Access reviews: questions to the authorizer, answered as objects that are never stored.

Every function takes the posted object and returns it with its status; ApiError 400 or 422. The
selectors of resourceAttributes are not looked at: no authorizer here uses them.
"""

from pybernetes.apimachinery import errors, field, meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object, User
from pybernetes.apiserver.authorization.rbac import Rbac
from pybernetes.apiserver.types import Authorizer, RequestInfo

GROUP = "authorization.k8s.io"


def access_review(
    authorizer: Authorizer, obj: Object, user: User | None = None, namespace: str | None = None
) -> Object:
    """`user` is who asks about itself; `namespace` is a local review's, from the request's path."""
    spec = obj.get("spec") or {}
    findings = _attribute_findings(spec)
    if user is None and not spec.get("user") and not spec.get("groups"):
        detail = "at least one of user or group must be specified"
        findings.append(field.invalid("spec.user", spec.get("user") or "", detail))
    findings += _metadata_findings(obj, () if namespace is None else ("namespace",))
    if namespace is not None:
        findings += _local_findings(spec, namespace)
    if findings:
        raise errors.invalid(obj["kind"], GROUP, "", findings)
    if user is None:
        extra = tuple((key, tuple(values)) for key, values in (spec.get("extra") or {}).items())
        groups = tuple(spec.get("groups") or ())
        user = User(spec.get("user") or "", groups, spec.get("uid") or "", extra)
    decision, reason = authorizer.authorize(user, request_info(spec))
    status: Object = {"allowed": decision == "allow"}
    if decision == "deny":
        status["denied"] = True
    if reason:
        status["reason"] = reason
    return {**obj, "status": status}


def _attribute_findings(spec: Object) -> Errors:
    if bool(spec.get("resourceAttributes")) != bool(spec.get("nonResourceAttributes")):
        return []
    detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    return [field.invalid("spec", spec.get("nonResourceAttributes"), detail)]


def _metadata_findings(obj: Object, kept: tuple[str, ...]) -> Errors:
    metadata = meta.metadata(obj)
    if not any(metadata[key] for key in metadata if key not in ("managedFields", *kept)):
        return []
    detail = f"must be empty{' except for namespace' if kept else ''}"
    return [field.invalid("metadata", metadata, detail)]


def _local_findings(spec: Object, namespace: str) -> Errors:
    findings, attributes = [], spec.get("resourceAttributes")
    if attributes and (given := attributes.get("namespace") or "") != namespace:
        path = "spec.resourceAttributes.namespace"
        findings.append(field.invalid(path, given, "must match metadata.namespace"))
    if value := spec.get("nonResourceAttributes"):
        path = "spec.nonResourceAttributes"
        findings.append(field.invalid(path, value, "disallowed on this kind of request"))
    return findings


def self_subject_rules_review(rbac: Rbac, obj: Object, user: User) -> Object:
    namespace = (obj.get("spec") or {}).get("namespace")
    if not namespace:
        raise errors.bad_request("no namespace on request")
    rules, problems = rbac.rules_for(user, namespace)
    status: Object = {
        "resourceRules": [_resource_rule(rule) for rule in rules if rule.get("resources")],
        "nonResourceRules": [
            {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
            for rule in rules
            if rule.get("nonResourceURLs")
        ],
        "incomplete": user.name.startswith("system:node:"),
    }
    if status["incomplete"]:
        problems = ["node authorizer does not support user rule resolution", *problems]
    if problems:
        status["evaluationError"] = errors.aggregate(problems)
    return {**obj, "status": status}


def _resource_rule(rule: Object) -> Object:
    keys = ("verbs", "apiGroups", "resources", "resourceNames")
    return {key: rule[key] for key in keys if rule.get(key)}


def request_info(spec: Object) -> RequestInfo:
    """The request that a review asks about."""
    path = spec.get("nonResourceAttributes")
    if path:
        return RequestInfo(verb=path.get("verb") or "", path=path.get("path") or "")
    what = spec["resourceAttributes"]
    words = ("verb", "group", "resource", "name", "subresource", "namespace")
    given = {word: what.get(word) or "" for word in words}
    return RequestInfo.asking(**given, version=what.get("version") or "*")
