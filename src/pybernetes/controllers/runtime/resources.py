# SPDX-License-Identifier: Apache-2.0
"""The resources that controllers watch and write."""

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.informer import Informer

PODS = GVR("", "v1", "pods")
NODES = GVR("", "v1", "nodes")
SERVICES = GVR("", "v1", "services")
ENDPOINTS = GVR("", "v1", "endpoints")
NAMESPACES = GVR("", "v1", "namespaces")
CONFIG_MAPS = GVR("", "v1", "configmaps")
SECRETS = GVR("", "v1", "secrets")
SERVICE_ACCOUNTS = GVR("", "v1", "serviceaccounts")
REPLICATION_CONTROLLERS = GVR("", "v1", "replicationcontrollers")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")
CERTIFICATE_SIGNING_REQUESTS = GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
CLUSTER_TRUST_BUNDLES = GVR("certificates.k8s.io", "v1", "clustertrustbundles")
LEASES = GVR("coordination.k8s.io", "v1", "leases")
CONTROLLER_REVISIONS = GVR("apps", "v1", "controllerrevisions")
DAEMON_SETS = GVR("apps", "v1", "daemonsets")
STATEFUL_SETS = GVR("apps", "v1", "statefulsets")
JOBS = GVR("batch", "v1", "jobs")
CRON_JOBS = GVR("batch", "v1", "cronjobs")
BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
STORAGE_CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")
ATTRIBUTES_CLASSES = GVR("storage.k8s.io", "v1", "volumeattributesclasses")
VOLUMES = GVR("", "v1", "persistentvolumes")
CLAIMS = GVR("", "v1", "persistentvolumeclaims")
ENDPOINT_SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
CLUSTER_ROLES = GVR("rbac.authorization.k8s.io", "v1", "clusterroles")


BY_NODE = "spec.nodeName"


def index_by_node(pods: Informer) -> None:
    pods.add_index(BY_NODE, lambda pod: [pod["spec"].get("nodeName") or ""])


def taints(node: Object | None) -> list[Object]:
    return ((node or {}).get("spec") or {}).get("taints") or []


def reference(name: str, uid: str) -> Object:
    """The node that an event is about, where its object may be gone already."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": uid}}
