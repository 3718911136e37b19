# SPDX-License-Identifier: Apache-2.0
"""THE table: which rules each kind has. A kind without a row is full generic CRUD.

Read it top to bottom; one row a kind.
"""

from collections.abc import Mapping

from pybernetes.apis.admissionregistration.policies import (
    ADMISSION_POLICY_BINDING,
    MUTATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY,
)
from pybernetes.apis.admissionregistration.webhooks import (
    MUTATING_WEBHOOK_CONFIGURATION,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
from pybernetes.apis.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from pybernetes.apis.apiregistration.apiservice import API_SERVICE
from pybernetes.apis.apps.controllerrevision import CONTROLLER_REVISION
from pybernetes.apis.apps.daemonset import DAEMON_SET
from pybernetes.apis.apps.deployment import DEPLOYMENT
from pybernetes.apis.apps.replicaset import REPLICA_SET
from pybernetes.apis.apps.statefulset import STATEFUL_SET
from pybernetes.apis.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from pybernetes.apis.batch.cronjob import CRON_JOB
from pybernetes.apis.batch.job import JOB
from pybernetes.apis.certificates.certificatesigningrequest import CERTIFICATE_SIGNING_REQUEST
from pybernetes.apis.coordination.lease import LEASE
from pybernetes.apis.core.configmap import CONFIG_MAP
from pybernetes.apis.core.endpoints import ENDPOINTS
from pybernetes.apis.core.event import EVENT, STRICT_EVENT
from pybernetes.apis.core.limitrange import LIMIT_RANGE
from pybernetes.apis.core.namespace import NAMESPACE
from pybernetes.apis.core.node import NODE
from pybernetes.apis.core.persistentvolume import PERSISTENT_VOLUME
from pybernetes.apis.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from pybernetes.apis.core.pod.strategy import POD
from pybernetes.apis.core.podtemplate import POD_TEMPLATE
from pybernetes.apis.core.replicationcontroller import REPLICATION_CONTROLLER
from pybernetes.apis.core.resourcequota import RESOURCE_QUOTA
from pybernetes.apis.core.secret import SECRET
from pybernetes.apis.core.service import SERVICE
from pybernetes.apis.core.serviceaccount import SERVICE_ACCOUNT
from pybernetes.apis.discovery.endpointslice import ENDPOINT_SLICE
from pybernetes.apis.dra.claims import RESOURCE_CLAIM, RESOURCE_SLICE
from pybernetes.apis.flowcontrol.kinds import FLOW_SCHEMA, PRIORITY_LEVEL_CONFIGURATION
from pybernetes.apis.kind import Kind
from pybernetes.apis.networking.addresses import IP_ADDRESS, SERVICE_CIDR
from pybernetes.apis.networking.ingress import INGRESS
from pybernetes.apis.networking.ingressclass import INGRESS_CLASS
from pybernetes.apis.networking.networkpolicy import NETWORK_POLICY
from pybernetes.apis.node.runtimeclass import RUNTIME_CLASS
from pybernetes.apis.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from pybernetes.apis.rbac.bindings import CLUSTER_ROLE_BINDING, ROLE_BINDING
from pybernetes.apis.rbac.roles import CLUSTER_ROLE, ROLE
from pybernetes.apis.scheduling.priorityclass import PRIORITY_CLASS
from pybernetes.apis.storage.csi import (
    CSI_DRIVER,
    CSI_NODE,
    CSI_STORAGE_CAPACITY,
    VOLUME_ATTACHMENT,
    VOLUME_ATTRIBUTES_CLASS,
)
from pybernetes.apis.storage.storageclass import STORAGE_CLASS

RULES: Mapping[tuple[str, str], Kind] = {
    ("", "ConfigMap"): CONFIG_MAP,
    ("", "Endpoints"): ENDPOINTS,
    ("", "Event"): EVENT,
    ("", "LimitRange"): LIMIT_RANGE,
    ("", "Namespace"): NAMESPACE,
    ("", "Node"): NODE,
    ("", "PersistentVolume"): PERSISTENT_VOLUME,
    ("", "PersistentVolumeClaim"): PERSISTENT_VOLUME_CLAIM,
    ("", "Pod"): POD,
    ("", "PodTemplate"): POD_TEMPLATE,
    ("", "ReplicationController"): REPLICATION_CONTROLLER,
    ("", "ResourceQuota"): RESOURCE_QUOTA,
    ("", "Secret"): SECRET,
    ("", "Service"): SERVICE,
    ("", "ServiceAccount"): SERVICE_ACCOUNT,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): MUTATING_ADMISSION_POLICY,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): ADMISSION_POLICY_BINDING,
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
    ): MUTATING_WEBHOOK_CONFIGURATION,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): VALIDATING_ADMISSION_POLICY,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): ADMISSION_POLICY_BINDING,
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
    ): VALIDATING_WEBHOOK_CONFIGURATION,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): CUSTOM_RESOURCE_DEFINITION,
    ("apiregistration.k8s.io", "APIService"): API_SERVICE,
    ("apps", "ControllerRevision"): CONTROLLER_REVISION,
    ("apps", "DaemonSet"): DAEMON_SET,
    ("apps", "Deployment"): DEPLOYMENT,
    ("apps", "ReplicaSet"): REPLICA_SET,
    ("apps", "StatefulSet"): STATEFUL_SET,
    ("autoscaling", "HorizontalPodAutoscaler"): HORIZONTAL_POD_AUTOSCALER,
    ("batch", "CronJob"): CRON_JOB,
    ("batch", "Job"): JOB,
    ("certificates.k8s.io", "CertificateSigningRequest"): CERTIFICATE_SIGNING_REQUEST,
    ("coordination.k8s.io", "Lease"): LEASE,
    ("discovery.k8s.io", "EndpointSlice"): ENDPOINT_SLICE,
    ("events.k8s.io", "Event"): STRICT_EVENT,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): FLOW_SCHEMA,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): PRIORITY_LEVEL_CONFIGURATION,
    ("networking.k8s.io", "IPAddress"): IP_ADDRESS,
    ("networking.k8s.io", "Ingress"): INGRESS,
    ("networking.k8s.io", "IngressClass"): INGRESS_CLASS,
    ("networking.k8s.io", "NetworkPolicy"): NETWORK_POLICY,
    ("networking.k8s.io", "ServiceCIDR"): SERVICE_CIDR,
    ("node.k8s.io", "RuntimeClass"): RUNTIME_CLASS,
    ("policy", "PodDisruptionBudget"): POD_DISRUPTION_BUDGET,
    ("rbac.authorization.k8s.io", "ClusterRole"): CLUSTER_ROLE,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): CLUSTER_ROLE_BINDING,
    ("rbac.authorization.k8s.io", "Role"): ROLE,
    ("rbac.authorization.k8s.io", "RoleBinding"): ROLE_BINDING,
    ("resource.k8s.io", "ResourceClaim"): RESOURCE_CLAIM,
    ("resource.k8s.io", "ResourceSlice"): RESOURCE_SLICE,
    ("scheduling.k8s.io", "PriorityClass"): PRIORITY_CLASS,
    ("storage.k8s.io", "CSIDriver"): CSI_DRIVER,
    ("storage.k8s.io", "CSINode"): CSI_NODE,
    ("storage.k8s.io", "CSIStorageCapacity"): CSI_STORAGE_CAPACITY,
    ("storage.k8s.io", "StorageClass"): STORAGE_CLASS,
    ("storage.k8s.io", "VolumeAttachment"): VOLUME_ATTACHMENT,
    ("storage.k8s.io", "VolumeAttributesClass"): VOLUME_ATTRIBUTES_CLASS,
}
