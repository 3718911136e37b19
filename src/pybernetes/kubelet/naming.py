# SPDX-License-Identifier: Apache-2.0
"""Names that tie runtime objects to pods: labels, annotations, folders (upstream's own names)."""

import hashlib
import json
from pathlib import Path

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.requests import qos_class
from pybernetes.cri.types import Container
from pybernetes.kubelet.config import Config

PODS = GVR("", "v1", "pods")
NODES = GVR("", "v1", "nodes")
SERVICES = GVR("", "v1", "services")
CONFIG_MAPS = GVR("", "v1", "configmaps")
SECRETS = GVR("", "v1", "secrets")
SERVICE_ACCOUNTS = GVR("", "v1", "serviceaccounts")
RUNTIME_CLASSES = GVR("node.k8s.io", "v1", "runtimeclasses")
TRUST_BUNDLES = GVR("certificates.k8s.io", "v1", "clustertrustbundles")
LEASES = GVR("coordination.k8s.io", "v1", "leases")

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
CONTAINER_HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy"
MESSAGE_FILE = "io.pybernetes.container.terminationMessageFile"
GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"
PRE_STOP = "io.kubernetes.container.preStopHandler"

# One odd pod must not end the kubelet: what its data can cause is caught with what others cause.
UNFORESEEN = (OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])


def key(pod: Object) -> tuple[str, str]:
    """(namespace, name)."""
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def full_name(pod: Object) -> str:
    """How log lines name a pod."""
    return "/".join(key(pod))


def owner(kind: str, obj: Object) -> Object:
    """A reference to a Node or Pod (lists do not say the kind of what they hold)."""
    return meta.owner_reference({**obj, "apiVersion": "v1", "kind": kind})


def container_hash(container: Object) -> str:
    """Changes exactly when the container has to be replaced (name or image)."""
    text = json.dumps([container["name"], container.get("image", "")])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def pod_dir(config: Config, pod_uid: str) -> Path:
    return config.pods_dir / pod_uid


def log_dir(config: Config, pod: Object) -> Path:
    namespace, name = key(pod)
    return config.pod_logs_dir / f"{namespace}_{name}_{uid(pod)}"


def kubepods(config: Config) -> str:
    """The cgroup of all pods."""
    return f"{config.cgroup_root.rstrip('/')}/kubepods"


def cgroup(config: Config, pod: Object) -> str:
    """A pod's cgroup; a Guaranteed pod's is right below kubepods."""
    tier = {"Burstable": "/burstable", "BestEffort": "/besteffort"}.get(qos_class(pod), "")
    return f"{kubepods(config)}{tier}/pod{uid(pod)}"


def message_file(config: Config, pod_uid: str, container: str, attempt: int) -> Path:
    """The file behind a container's terminationMessagePath."""
    return pod_dir(config, pod_uid) / "containers" / container / str(attempt)


STATUSES = {  # list of a spec -> list of its status
    "initContainers": "initContainerStatuses",
    "containers": "containerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}


def containers_of(pod: Object) -> list[Object]:
    """Init, regular and ephemeral containers, in this order."""
    return [item for group in STATUSES for item in pod["spec"].get(group) or ()]


def statuses_of(pod: Object) -> list[Object]:
    """What the pod's status says of them."""
    status = pod.get("status") or {}
    return [item for field in STATUSES.values() for item in status.get(field) or ()]


def find_container(pod: Object, name: str) -> Object | None:
    return next((item for item in containers_of(pod) if item["name"] == name), None)


def find_status(pod: Object, name: str) -> Object | None:
    return next((item for item in statuses_of(pod) if item["name"] == name), None)


def group_of(pod: Object, name: str) -> str:
    """The list of the spec that a container is in."""
    lists = ((group, pod["spec"].get(group) or ()) for group in STATUSES)
    found = (group for group, items in lists if any(item["name"] == name for item in items))
    return next(found, "containers")


def restart_count(container: Container) -> int:
    """How often a container was started before; the runtime's own count may begin anew."""
    text = container.annotations.get(RESTART_COUNT, "")
    return int(text) if text.isdigit() else container.attempt


def is_sidecar(container: Object) -> bool:
    """A restartable init container."""
    return container.get("restartPolicy") == "Always"


def field_path(pod: Object, name: str) -> str:
    """spec.containers{web}: where events about a container point."""
    return f"spec.{group_of(pod, name)}{{{name}}}"
