# SPDX-License-Identifier: Apache-2.0
"""`pybernetes down`: stop a cluster and remove everything it made on this host but its state."""

import argparse
import subprocess
import sys

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import Cluster, common_arguments, open_existing

EXAMPLES = """examples:
  pybernetes down          stop the default cluster; `pybernetes up` brings everything back
  pybernetes down test     stop the cluster "test"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    cluster = open_existing(options)
    print(stop(cluster))
    return 0


def stop(cluster: Cluster) -> str:
    """Stop the process and clean up what it (or a killed one) left; a sentence about it."""
    ran = cluster.stop()
    done = subprocess.run(
        [sys.executable, "-m", "pybernetes.cmd.clean_up", str(cluster.data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Told(f"cleaning up failed: {done.stderr.strip().splitlines()[-1:] or '?'}")
    return f'Cluster "{cluster.name}" ' + ("is stopped." if ran else "was not running.")
