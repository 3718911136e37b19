# SPDX-License-Identifier: Apache-2.0
"""The bootstrap objects: namespaces, priority classes, service CIDR, kubernetes Service, CA ConfigMap."""

import json
from collections.abc import Iterator

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.services import kubernetes
from pybernetes.apiserver.services.kubernetes import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from pybernetes.apiserver.services.ranges import parse

NAMESPACES = GVR("", "v1", "namespaces")
CONFIG_MAPS = GVR("", "v1", "configmaps")
PRIORITY_CLASSES = GVR("scheduling.k8s.io", "v1", "priorityclasses")
SERVICE_CIDRS = GVR("networking.k8s.io", "v1", "servicecidrs")
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_PRIORITIES = (
    (
        "system-node-critical",
        2000001000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2000000000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)


def objects(config: Config) -> Iterator[tuple[GVR, Object]]:
    """(resource, object) in the order in which they are written."""
    ranges = parse(config.service_cluster_ip_range)
    for name in SYSTEM_NAMESPACES:
        yield NAMESPACES, _namespace(name)
    for name, value, about in _PRIORITIES:
        yield PRIORITY_CLASSES, _priority(name, value, about)
    yield SERVICE_CIDRS, _service_cidr(config)
    yield CONFIG_MAPS, _authentication(config)
    yield SERVICES, kubernetes.service(config, ranges)
    yield ENDPOINTS, kubernetes.endpoints(config)
    yield ENDPOINT_SLICES, kubernetes.endpoint_slice(config)


def _namespace(name: str) -> Object:
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _priority(name: str, value: int, about: str) -> Object:
    return {
        "kind": "PriorityClass",
        "apiVersion": "scheduling.k8s.io/v1",
        "metadata": {"name": name, "generation": 1},
        "value": value,
        "description": about,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _service_cidr(config: Config) -> Object:
    return {
        "kind": "ServiceCIDR",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": "kubernetes",
            "finalizers": ["networking.k8s.io/service-cidr-finalizer"],
        },
        "spec": {"cidrs": [part.strip() for part in config.service_cluster_ip_range.split(",")]},
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "",
                    "message": "Kubernetes Service CIDR is ready",
                    "lastTransitionTime": "",
                }
            ]
        },
    }


def _authentication(config: Config) -> Object:
    """What aggregated API servers need to know to trust our front proxy."""
    data: dict[str, str] = {}
    if config.client_ca:
        data["client-ca-file"] = config.client_ca.decode()
    if config.requestheader_client_ca:
        data["requestheader-client-ca-file"] = config.requestheader_client_ca.decode()
        for key, values in (
            ("requestheader-allowed-names", config.requestheader_allowed_names),
            ("requestheader-username-headers", config.requestheader_username_headers),
            ("requestheader-group-headers", config.requestheader_group_headers),
            ("requestheader-extra-headers-prefix", config.requestheader_extra_headers_prefix),
        ):
            data[key] = json.dumps(list(values))
    config_map: Object = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
    }
    if data:
        config_map["data"] = data
    return config_map
