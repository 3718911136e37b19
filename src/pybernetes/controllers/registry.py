# SPDX-License-Identifier: Apache-2.0
"""The table of controllers, by upstream's names. One row a controller, one folder a row."""

from collections.abc import Mapping

from pybernetes.controllers.bootstrap.controller import BootstrapSigner, TokenCleaner
from pybernetes.controllers.certificates.controller import Approving, Cleaning, Signing
from pybernetes.controllers.clusterroleaggregation.controller import (
    ClusterRoleAggregationController,
)
from pybernetes.controllers.cronjob.controller import CronJobController
from pybernetes.controllers.daemonset.controller import DaemonSetController
from pybernetes.controllers.deployment.controller import DeploymentController
from pybernetes.controllers.disruption.controller import DisruptionController
from pybernetes.controllers.endpoints.controller import EndpointsController
from pybernetes.controllers.endpointslice.controller import EndpointSliceController
from pybernetes.controllers.endpointslicemirroring.controller import (
    EndpointSliceMirroringController,
)
from pybernetes.controllers.garbagecollector.controller import GarbageCollector
from pybernetes.controllers.job.controller import JobController
from pybernetes.controllers.namespace.controller import NamespaceController
from pybernetes.controllers.nodeipam.controller import NodeIpamController
from pybernetes.controllers.nodelifecycle.controller import NodeLifecycleController
from pybernetes.controllers.podgc.controller import PodGarbageCollector
from pybernetes.controllers.replicaset import controller as replicaset
from pybernetes.controllers.resourcequota.controller import ResourceQuotaController
from pybernetes.controllers.rootca.controller import RootCaPublisher, TrustBundlePublisher
from pybernetes.controllers.runtime.controller import Row
from pybernetes.controllers.serviceaccount.controller import ServiceAccountController
from pybernetes.controllers.statefulset.controller import StatefulSetController
from pybernetes.controllers.tainteviction.controller import TaintEvictionController
from pybernetes.controllers.ttlafterfinished.controller import TtlAfterFinishedController

CONTROLLERS: Mapping[str, Row] = {
    "namespace-controller": Row(NamespaceController, "namespace-controller", workers=10),
    "serviceaccount-controller": Row(ServiceAccountController, "service-account-controller"),
    "root-ca-certificate-publisher-controller": Row(RootCaPublisher, "root-ca-cert-publisher"),
    "kube-apiserver-serving-clustertrustbundle-publisher-controller": Row(
        TrustBundlePublisher, "kube-apiserver-serving-clustertrustbundle-publisher", workers=1
    ),
    "deployment-controller": Row(DeploymentController, "deployment-controller"),
    "replicaset-controller": Row(replicaset.build, "replicaset-controller"),
    "replicationcontroller-controller": Row(replicaset.build_replication, "replication-controller"),
    "daemonset-controller": Row(
        DaemonSetController, "daemon-set-controller", "daemonset-controller"
    ),
    "statefulset-controller": Row(
        StatefulSetController, "statefulset-controller", "statefulset-controller"
    ),
    "job-controller": Row(JobController, "job-controller"),
    "cronjob-controller": Row(CronJobController, "cronjob-controller"),
    "ttl-after-finished-controller": Row(
        TtlAfterFinishedController, "ttl-after-finished-controller"
    ),
    "resourcequota-controller": Row(ResourceQuotaController, "resourcequota-controller"),
    "disruption-controller": Row(
        DisruptionController, "disruption-controller", "controllermanager"
    ),
    "garbage-collector-controller": Row(
        GarbageCollector, "generic-garbage-collector", "garbage-collector-controller", workers=20
    ),
    "node-ipam-controller": Row(NodeIpamController, "node-controller", "cidrAllocator"),
    "node-lifecycle-controller": Row(NodeLifecycleController, "node-controller", workers=8),
    "taint-eviction-controller": Row(
        TaintEvictionController, "node-controller", "taint-eviction-controller", workers=8
    ),
    "pod-garbage-collector-controller": Row(PodGarbageCollector, "pod-garbage-collector"),
    "clusterrole-aggregation-controller": Row(
        ClusterRoleAggregationController, "clusterrole-aggregation-controller"
    ),
    "certificatesigningrequest-approving-controller": Row(Approving, "certificate-controller"),
    "certificatesigningrequest-signing-controller": Row(Signing, "certificate-controller"),
    "certificatesigningrequest-cleaner-controller": Row(Cleaning, "certificate-controller"),
    "bootstrap-signer-controller": Row(BootstrapSigner, "bootstrap-signer"),
    "token-cleaner-controller": Row(TokenCleaner, "token-cleaner"),
    "endpoints-controller": Row(EndpointsController, "endpoint-controller"),
    "endpointslice-controller": Row(
        EndpointSliceController, "endpointslice-controller", "endpoint-slice-controller"
    ),
    "endpointslice-mirroring-controller": Row(
        EndpointSliceMirroringController,
        "endpointslicemirroring-controller",
        "endpoint-slice-mirroring-controller",
    ),
}
