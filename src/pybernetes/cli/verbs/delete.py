# SPDX-License-Identifier: Apache-2.0
"""`pybernetes delete`: stop a cluster, remove its data and its kubeconfig context."""

import argparse
import shutil

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import common_arguments, open_cluster
from pybernetes.cli.kubeconfig import drop_context
from pybernetes.cli.verbs.down import stop

EXAMPLES = """examples:
  pybernetes delete        the default cluster and all of its data
  pybernetes delete test   the cluster "test"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    cluster = open_cluster(options)
    if not cluster.exists:
        raise Told(f'there is no cluster "{cluster.name}" ({cluster.data_dir})')
    stop(cluster)
    drop_context(cluster)
    shutil.rmtree(cluster.data_dir)
    print(f'Cluster "{cluster.name}" is deleted.')
    return 0
