# SPDX-License-Identifier: Apache-2.0
"""What authentication, authorization and admission read: the watch cache, never the store."""

from typing import Protocol

from pybernetes.apimachinery.types import GVR, Object

CORE = ""
NAMESPACES = GVR(CORE, "v1", "namespaces")
NODES = GVR(CORE, "v1", "nodes")
PODS = GVR(CORE, "v1", "pods")
SERVICES = GVR(CORE, "v1", "services")
SECRETS = GVR(CORE, "v1", "secrets")
SERVICE_ACCOUNTS = GVR(CORE, "v1", "serviceaccounts")


class Reader(Protocol):
    """Objects from the API server's watch cache. They are shared: copy before changing one."""

    def get(self, gvr: GVR, namespace: str, name: str) -> Object | None:
        """The object, or None. `namespace` is "" for cluster-scoped kinds."""

    def list(self, gvr: GVR, namespace: str) -> list[Object]:
        """All objects of a kind in `namespace` ("": in all)."""
