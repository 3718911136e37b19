# SPDX-License-Identifier: Apache-2.0
"""replicaset-controller: keeps as many pods of a template as asked for; ReplicationControllers too."""
