# SPDX-License-Identifier: Apache-2.0
"""The store in a real etcd cluster (v3, gRPC), which several API servers may share."""

from pybernetes.storage.etcd.client import EtcdConfig
from pybernetes.storage.etcd.driver import EtcdStore

__all__ = ["EtcdConfig", "EtcdStore"]
