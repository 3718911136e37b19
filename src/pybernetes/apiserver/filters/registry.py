# SPDX-License-Identifier: Apache-2.0
"""THE order of the filters, outermost first."""

from collections.abc import Sequence

from pybernetes.apiserver.context import Core
from pybernetes.apiserver.filters.audit import AuditLog, Headers
from pybernetes.apiserver.filters.inflight import MaxInFlight
from pybernetes.apiserver.filters.metrics import Metrics
from pybernetes.apiserver.filters.security import Authentication, Authorization
from pybernetes.apiserver.filters.types import Filter
from pybernetes.apiserver.security import Security


def filters(core: Core, security: Security, audit: AuditLog | None) -> Sequence[Filter]:
    return (
        *((audit,) if audit else ()),
        Headers(core.env),
        Metrics(core.env),
        Authentication(security),
        MaxInFlight(core.config),
        Authorization(security),
    )
