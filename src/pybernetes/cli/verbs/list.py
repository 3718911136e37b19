# SPDX-License-Identifier: Apache-2.0
"""`pybernetes list`: the clusters of this user."""

import argparse

from pybernetes.cli.clusters import all_clusters

EXAMPLES = """examples:
  pybernetes list
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(options: argparse.Namespace) -> int:
    rows = [("NAME", "STATUS", "SERVER", "DATA")]
    for cluster in all_clusters():
        status = "running" if cluster.pid() else "stopped"
        rows.append(
            (cluster.name, status, cluster.state().get("server", ""), str(cluster.data_dir))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
    return 0
