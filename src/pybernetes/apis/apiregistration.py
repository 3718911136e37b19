# SPDX-License-Identifier: Apache-2.0
"""apiregistration.k8s.io: APIService: who serves a group and version: this server, or a Service."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look
from pybernetes.apis.core.pod.status import get_condition
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind


def _default(service: Object) -> None:
    backend = look(service, "spec", "service")
    if backend is not None:
        fill_missing(backend, {"port": 443})


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
    columns=(NAME, Column("Service", _service), Column("Available", _available), AGE),
)
