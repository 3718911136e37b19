# SPDX-License-Identifier: Apache-2.0
"""THE table: which rules each kind has. A kind without a row is full generic CRUD.

Read it top to bottom; one row a kind, one file a row.
"""

from collections.abc import Mapping

from pybernetes.apis.apps.deployment import DEPLOYMENT
from pybernetes.apis.apps.replicaset import REPLICA_SET
from pybernetes.apis.core.namespace import NAMESPACE
from pybernetes.apis.core.node import NODE
from pybernetes.apis.core.pod.strategy import POD
from pybernetes.apis.core.service import SERVICE
from pybernetes.apis.kind import Kind

RULES: Mapping[tuple[str, str], Kind] = {
    ("", "Namespace"): NAMESPACE,
    ("", "Node"): NODE,
    ("", "Pod"): POD,
    ("", "Service"): SERVICE,
    ("apps", "Deployment"): DEPLOYMENT,
    ("apps", "ReplicaSet"): REPLICA_SET,
}
