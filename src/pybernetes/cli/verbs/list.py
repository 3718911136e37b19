# SPDX-License-Identifier: Apache-2.0
"""`pybernetes list`: the clusters of this user."""

import argparse

from pybernetes.cli.clusters import all_clusters
from pybernetes.cli.processes import table

EXAMPLES = """examples:
  pybernetes list
"""


def run(options: argparse.Namespace) -> int:
    rows = [("NAME", "STATUS", "NODES", "SERVER", "DATA")]
    for cluster in all_clusters():
        status = "running" if cluster.pid() else "stopped"
        nodes = " ".join(node["name"] for node in cluster.lab().get("nodes", ()))
        nodes = nodes or str(cluster.config().get("nodes", 1))
        server = cluster.state().get("server", "")
        rows.append((cluster.name, status, nodes, server, str(cluster.data_dir)))
    print(table(rows))
    return 0
