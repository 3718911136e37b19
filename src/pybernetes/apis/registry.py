# SPDX-License-Identifier: Apache-2.0
"""THE table: which rules each kind has. A kind without a row is full generic CRUD.

Read it top to bottom; one row a kind.
"""

from collections.abc import Mapping

from pybernetes.apis.apps.controllerrevision import CONTROLLER_REVISION
from pybernetes.apis.apps.daemonset import DAEMON_SET
from pybernetes.apis.apps.deployment import DEPLOYMENT
from pybernetes.apis.apps.replicaset import REPLICA_SET
from pybernetes.apis.apps.statefulset import STATEFUL_SET
from pybernetes.apis.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from pybernetes.apis.batch.cronjob import CRON_JOB
from pybernetes.apis.batch.job import JOB
from pybernetes.apis.coordination.lease import LEASE
from pybernetes.apis.core.configmap import CONFIG_MAP
from pybernetes.apis.core.endpoints import ENDPOINTS
from pybernetes.apis.core.event import EVENT, STRICT_EVENT
from pybernetes.apis.core.namespace import NAMESPACE
from pybernetes.apis.core.node import NODE
from pybernetes.apis.core.persistentvolume import PERSISTENT_VOLUME
from pybernetes.apis.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from pybernetes.apis.core.pod.strategy import POD
from pybernetes.apis.core.podtemplate import POD_TEMPLATE
from pybernetes.apis.core.replicationcontroller import REPLICATION_CONTROLLER
from pybernetes.apis.core.secret import SECRET
from pybernetes.apis.core.service import SERVICE
from pybernetes.apis.core.serviceaccount import SERVICE_ACCOUNT
from pybernetes.apis.discovery.endpointslice import ENDPOINT_SLICE
from pybernetes.apis.kind import Kind
from pybernetes.apis.rbac.bindings import CLUSTER_ROLE_BINDING, ROLE_BINDING
from pybernetes.apis.rbac.roles import CLUSTER_ROLE, ROLE
from pybernetes.apis.scheduling.priorityclass import PRIORITY_CLASS

RULES: Mapping[tuple[str, str], Kind] = {
    ("", "ConfigMap"): CONFIG_MAP,
    ("", "Endpoints"): ENDPOINTS,
    ("", "Event"): EVENT,
    ("", "Namespace"): NAMESPACE,
    ("", "Node"): NODE,
    ("", "PersistentVolume"): PERSISTENT_VOLUME,
    ("", "PersistentVolumeClaim"): PERSISTENT_VOLUME_CLAIM,
    ("", "Pod"): POD,
    ("", "PodTemplate"): POD_TEMPLATE,
    ("", "ReplicationController"): REPLICATION_CONTROLLER,
    ("", "Secret"): SECRET,
    ("", "Service"): SERVICE,
    ("", "ServiceAccount"): SERVICE_ACCOUNT,
    ("apps", "ControllerRevision"): CONTROLLER_REVISION,
    ("apps", "DaemonSet"): DAEMON_SET,
    ("apps", "Deployment"): DEPLOYMENT,
    ("apps", "ReplicaSet"): REPLICA_SET,
    ("apps", "StatefulSet"): STATEFUL_SET,
    ("autoscaling", "HorizontalPodAutoscaler"): HORIZONTAL_POD_AUTOSCALER,
    ("batch", "CronJob"): CRON_JOB,
    ("batch", "Job"): JOB,
    ("coordination.k8s.io", "Lease"): LEASE,
    ("discovery.k8s.io", "EndpointSlice"): ENDPOINT_SLICE,
    ("events.k8s.io", "Event"): STRICT_EVENT,
    ("rbac.authorization.k8s.io", "ClusterRole"): CLUSTER_ROLE,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): CLUSTER_ROLE_BINDING,
    ("rbac.authorization.k8s.io", "Role"): ROLE,
    ("rbac.authorization.k8s.io", "RoleBinding"): ROLE_BINDING,
    ("scheduling.k8s.io", "PriorityClass"): PRIORITY_CLASS,
}
