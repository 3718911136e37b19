# SPDX-License-Identifier: Apache-2.0
"""apiregistration.k8s.io: APIService: who serves a group and version: this server, or a Service."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look
from pybernetes.apis.core.pod.status import get_condition
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import dns1035_label, dns1123_subdomain
from pybernetes.apis.validation.part import Part, creating, updating


def _default(service: Object) -> None:
    backend = look(service, "spec", "service")
    if backend is not None:
        fill_missing(backend, {"port": 443})


def _api_service(part: Part) -> None:
    spec, name = part.child("spec"), meta.name(part.obj)
    wanted = f"{spec.get('version') or ''}.{spec.get('group') or ''}"
    if name != wanted:
        text = 'must be `spec.version+"."+spec.group`: "' + wanted + '"'
        part.invalid("metadata.name", name, text)
    spec.rule("group", dns1123_subdomain)
    spec.any_rule("version", dns1035_label)
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        if not 1 <= (spec.get(field) or 0) <= most:
            text = f"must be positive and less than {most}"
            spec.invalid(field, spec.get(field) or 0, text)
    insecure = spec.get("insecureSkipTLSVerify")
    if spec.get("service") is None:
        if spec.get("caBundle"):
            spec.invalid("caBundle", "", "local APIServices may not have a caBundle")
        if insecure:
            text = "local APIServices may not have insecureSkipTLSVerify"
            spec.invalid("insecureSkipTLSVerify", insecure, text)
    else:
        spec.child("service").need("namespace", "name")
        if insecure and spec.get("caBundle"):
            text = "may not be true if caBundle is present"
            spec.invalid("insecureSkipTLSVerify", insecure, text)


def _service(service: Object, _: datetime.datetime) -> str:
    backend = look(service, "spec", "service")
    return f"{backend.get('namespace')}/{backend.get('name')}" if backend else "Local"


def _available(service: Object, _: datetime.datetime) -> str:
    condition = get_condition(service, "Available") or {"status": "Unknown"}
    status = str(condition.get("status"))
    if status != "True" and condition.get("reason"):
        return f"{status} ({condition['reason']})"
    return status


API_SERVICE = Kind(
    default=_default,
    validate_create=creating(_api_service),
    validate_update=updating(_api_service),
    columns=(NAME, Column("Service", _service), Column("Available", _available), AGE),
)
