# SPDX-License-Identifier: Apache-2.0
"""THE table: which rules each kind has. A kind without a row is full generic CRUD.

Read it top to bottom; one row a kind. Kinds that nothing in this product acts on yet (CronJob,
HorizontalPodAutoscaler, Ingress, NetworkPolicy, ResourceQuota, webhooks, APIService,
CustomResourceDefinition, flow control) have defaults and columns; only their schema and
metadata are checked.
"""

from collections.abc import Mapping

from pybernetes.apis import (
    allocation,
    certificates,
    coordination,
    extension,
    networking,
    node,
    policy,
    rbac,
    scheduling,
    storage,
)
from pybernetes.apis.apps import replicas, sets
from pybernetes.apis.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from pybernetes.apis.batch.job import CRON_JOB, JOB
from pybernetes.apis.core import config, endpoints, event, limits, persistentvolume
from pybernetes.apis.core.namespace import NAMESPACE
from pybernetes.apis.core.node import NODE
from pybernetes.apis.core.pod.strategy import POD
from pybernetes.apis.core.service import SERVICE
from pybernetes.apis.kind import Kind

_GROUPS: Mapping[str, Mapping[str, Kind]] = {
    "": {
        "ConfigMap": config.CONFIG_MAP,
        "Endpoints": endpoints.ENDPOINTS,
        "Event": event.EVENT,
        "LimitRange": limits.LIMIT_RANGE,
        "Namespace": NAMESPACE,
        "Node": NODE,
        "PersistentVolume": persistentvolume.PERSISTENT_VOLUME,
        "PersistentVolumeClaim": persistentvolume.PERSISTENT_VOLUME_CLAIM,
        "Pod": POD,
        "PodTemplate": sets.POD_TEMPLATE,
        "ReplicationController": replicas.REPLICATION_CONTROLLER,
        "ResourceQuota": limits.RESOURCE_QUOTA,
        "Secret": config.SECRET,
        "Service": SERVICE,
        "ServiceAccount": config.SERVICE_ACCOUNT,
    },
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy": extension.MUTATING_ADMISSION_POLICY,
        "MutatingAdmissionPolicyBinding": extension.ADMISSION_POLICY_BINDING,
        "MutatingWebhookConfiguration": extension.MUTATING_WEBHOOK_CONFIGURATION,
        "ValidatingAdmissionPolicy": extension.VALIDATING_ADMISSION_POLICY,
        "ValidatingAdmissionPolicyBinding": extension.ADMISSION_POLICY_BINDING,
        "ValidatingWebhookConfiguration": extension.VALIDATING_WEBHOOK_CONFIGURATION,
    },
    "apiextensions.k8s.io": {
        "CustomResourceDefinition": extension.CUSTOM_RESOURCE_DEFINITION,
    },
    "apiregistration.k8s.io": {"APIService": extension.API_SERVICE},
    "apps": {
        "ControllerRevision": sets.CONTROLLER_REVISION,
        "DaemonSet": sets.DAEMON_SET,
        "Deployment": replicas.DEPLOYMENT,
        "ReplicaSet": replicas.REPLICA_SET,
        "StatefulSet": sets.STATEFUL_SET,
    },
    "autoscaling": {"HorizontalPodAutoscaler": HORIZONTAL_POD_AUTOSCALER},
    "batch": {"CronJob": CRON_JOB, "Job": JOB},
    "certificates.k8s.io": {
        "CertificateSigningRequest": certificates.CERTIFICATE_SIGNING_REQUEST,
        "ClusterTrustBundle": certificates.CLUSTER_TRUST_BUNDLE,
    },
    "coordination.k8s.io": {"Lease": coordination.LEASE},
    "discovery.k8s.io": {"EndpointSlice": endpoints.ENDPOINT_SLICE},
    "events.k8s.io": {"Event": event.STRICT_EVENT},
    "flowcontrol.apiserver.k8s.io": {
        "FlowSchema": extension.FLOW_SCHEMA,
        "PriorityLevelConfiguration": extension.PRIORITY_LEVEL_CONFIGURATION,
    },
    "networking.k8s.io": {
        "IPAddress": networking.IP_ADDRESS,
        "Ingress": networking.INGRESS,
        "IngressClass": networking.INGRESS_CLASS,
        "NetworkPolicy": networking.NETWORK_POLICY,
        "ServiceCIDR": networking.SERVICE_CIDR,
    },
    "node.k8s.io": {"RuntimeClass": node.RUNTIME_CLASS},
    "policy": {"PodDisruptionBudget": policy.POD_DISRUPTION_BUDGET},
    "rbac.authorization.k8s.io": {
        "ClusterRole": rbac.CLUSTER_ROLE,
        "ClusterRoleBinding": rbac.CLUSTER_ROLE_BINDING,
        "Role": rbac.ROLE,
        "RoleBinding": rbac.ROLE_BINDING,
    },
    "resource.k8s.io": {
        "ResourceClaim": allocation.RESOURCE_CLAIM,
        "ResourceSlice": allocation.RESOURCE_SLICE,
    },
    "scheduling.k8s.io": {"PriorityClass": scheduling.PRIORITY_CLASS},
    "storage.k8s.io": {
        "CSIDriver": storage.CSI_DRIVER,
        "CSINode": storage.CSI_NODE,
        "CSIStorageCapacity": storage.CSI_STORAGE_CAPACITY,
        "StorageClass": storage.STORAGE_CLASS,
        "VolumeAttachment": storage.VOLUME_ATTACHMENT,
        "VolumeAttributesClass": storage.VOLUME_ATTRIBUTES_CLASS,
    },
}
RULES: Mapping[tuple[str, str], Kind] = {
    (group, kind): rules for group, kinds in _GROUPS.items() for kind, rules in kinds.items()
}
