# SPDX-License-Identifier: Apache-2.0
"""The cluster's state for the Zone, out of informers, and which answers a change makes stale."""

from collections.abc import Callable, Iterable

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.service import cluster_ips
from pybernetes.client.informer import Informers

SERVICES = GVR("", "v1", "services")
NAMESPACES = GVR("", "v1", "namespaces")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLER, _HEADLESS = "endpointslice-controller.k8s.io", "service.kubernetes.io/headless"
Forget = Callable[[str], None]


class InformedCluster:
    """See zone.Cluster."""

    def __init__(self, informers: Informers) -> None:
        self._services = informers.get(SERVICES)
        self._slices = informers.get(SLICES)
        self._namespaces = informers.get(NAMESPACES)
        self._services.add_index("address", cluster_ips)
        self._slices.add_index("service", _slice_service)
        self._slices.add_index("address", _named_addresses)
        self.informers = (self._services, self._slices, self._namespaces)

    def service(self, namespace: str, name: str) -> Object | None:
        return self._services.find(namespace, name)

    def slices(self, namespace: str, service: str) -> Iterable[Object]:
        return self._slices.by_index("service", f"{namespace}/{service}")

    def services_at(self, address: str) -> Iterable[Object]:
        return self._services.by_index("address", address)

    def slices_at(self, address: str) -> Iterable[Object]:
        return self._slices.by_index("address", address)

    def has_namespace(self, namespace: str) -> bool:
        return self._namespaces.find("", namespace) is not None

    def on_change(self, forget: Forget) -> None:
        """Call `forget(tag)` for all that answers may depend on (see Zone.tags) and that changed."""

        def service_changed(old: Object | None, new: Object | None) -> None:
            meta = (new or old or {})["metadata"]
            forget(f"svc/{meta['namespace']}/{meta['name']}")
            slices = self.slices(meta["namespace"], meta["name"])
            own = [ip for one in (old, new) if one for ip in cluster_ips(one)]
            for address in (*own, *(ip for one in slices for ip in _named_addresses(one))):
                forget(f"ip/{address}")

        def slice_changed(old: Object | None, new: Object | None) -> None:
            for one in (old, new):
                for service in _slice_service(one) if one else ():
                    forget(f"svc/{service}")
                for address in _named_addresses(one) if one else ():
                    forget(f"ip/{address}")

        self._services.on_change(service_changed)
        self._slices.on_change(slice_changed)
        self._namespaces.on_change(
            lambda old, new: forget(f"ns/{(new or old or {})['metadata']['name']}")
        )


def _slice_service(one: Object) -> list[str]:
    meta = one["metadata"]
    name = (meta.get("labels") or {}).get(SERVICE_NAME)
    return [f"{meta['namespace']}/{name}"] if name else []


def _named_addresses(one: Object) -> list[str]:
    """Addresses that may have names: those behind services with a cluster IP have none."""
    labels = one["metadata"].get("labels") or {}
    if labels.get(_MANAGED_BY) == _CONTROLLER and _HEADLESS not in labels:
        return []
    return [address for end in one.get("endpoints") or () for address in end["addresses"]]
