# SPDX-License-Identifier: Apache-2.0
"""The `kubernetes` Service in default, and its Endpoints and EndpointSlice: this server's address.

Several API servers over one store (upstream's endpoint leases) are not supported: the server that
starts last is the one in the endpoints.
"""

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.services.ranges import Ranges, family_of

SERVICES = GVR("", "v1", "services")
ENDPOINTS = GVR("", "v1", "endpoints")
ENDPOINT_SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
_LABELS = {"component": "apiserver", "provider": "kubernetes"}


def service(config: Config, ranges: Ranges) -> Object:
    address = ranges.kubernetes_ip()
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": dict(_LABELS)},
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": [ranges.default],
            "ipFamilyPolicy": "SingleStack",
            "ports": [
                {
                    "name": "https",
                    "protocol": "TCP",
                    "port": config.service_port,
                    "targetPort": config.advertise_port,
                }
            ],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def endpoints(config: Config) -> Object:
    return {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": config.advertise_address}],
                "ports": [{"name": "https", "port": config.advertise_port, "protocol": "TCP"}],
            }
        ],
    }


def endpoint_slice(config: Config) -> Object:
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "generation": 1,
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": family_of(config.advertise_address),
        "endpoints": [{"addresses": [config.advertise_address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": config.advertise_port, "protocol": "TCP"}],
    }
