# SPDX-License-Identifier: Apache-2.0
"""APIService: who serves a group and version: this API server, or a Service behind it."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look
from pybernetes.apis.core.pod.status import get_condition
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import dns1035_label, dns1123_subdomain


def _default(service: Object) -> None:
    backend = look(service, "spec", "service")
    if backend is not None:
        fill_missing(backend, {"port": 443})


def _validate(service: Object) -> Errors:
    errors: Errors = []
    spec = service.get("spec") or {}
    group, version = spec.get("group") or "", spec.get("version") or ""
    name, wanted = meta.name(service), f"{version}.{group}"
    if name != wanted:
        text = 'must be `spec.version+"."+spec.group`: "' + wanted + '"'
        errors.append(invalid("metadata.name", name, text))
    wrong = dns1123_subdomain(group) if group else ()
    errors.extend(invalid("spec.group", group, text) for text in wrong)
    errors.extend(invalid("spec.version", version, text) for text in dns1035_label(version))
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(field) or 0
        if not 1 <= value <= most:
            text = f"must be positive and less than {most}"
            errors.append(invalid(f"spec.{field}", value, text))
    _backend(spec, errors)
    return errors


def _backend(spec: Object, errors: Errors) -> None:
    backend, insecure = spec.get("service"), spec.get("insecureSkipTLSVerify")
    if backend is None:
        if spec.get("caBundle"):
            text = "local APIServices may not have a caBundle"
            errors.append(invalid("spec.caBundle", "", text))
        if insecure:
            text = "local APIServices may not have insecureSkipTLSVerify"
            errors.append(invalid("spec.insecureSkipTLSVerify", insecure, text))
        return
    for field in ("namespace", "name"):
        if not backend.get(field):
            errors.append(required(f"spec.service.{field}"))
    if insecure and spec.get("caBundle"):
        text = "may not be true if caBundle is present"
        errors.append(invalid("spec.insecureSkipTLSVerify", insecure, text))


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
    validate_create=_validate,
    validate_update=lambda new, _: _validate(new),
    columns=(NAME, Column("Service", _service), Column("Available", _available), AGE),
)
