# SPDX-License-Identifier: Apache-2.0
"""The resources that controllers watch and write."""

from pybernetes.apimachinery.types import GVR

PODS = GVR("", "v1", "pods")
NODES = GVR("", "v1", "nodes")
SERVICES = GVR("", "v1", "services")
ENDPOINTS = GVR("", "v1", "endpoints")
NAMESPACES = GVR("", "v1", "namespaces")
CONFIG_MAPS = GVR("", "v1", "configmaps")
SERVICE_ACCOUNTS = GVR("", "v1", "serviceaccounts")
REPLICATION_CONTROLLERS = GVR("", "v1", "replicationcontrollers")
RESOURCE_QUOTAS = GVR("", "v1", "resourcequotas")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")
DAEMON_SETS = GVR("apps", "v1", "daemonsets")
STATEFUL_SETS = GVR("apps", "v1", "statefulsets")
JOBS = GVR("batch", "v1", "jobs")
CRON_JOBS = GVR("batch", "v1", "cronjobs")
LEASES = GVR("coordination.k8s.io", "v1", "leases")
ENDPOINT_SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
CLUSTER_ROLES = GVR("rbac.authorization.k8s.io", "v1", "clusterroles")
DISRUPTION_BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
