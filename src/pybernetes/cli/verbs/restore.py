# SPDX-License-Identifier: Apache-2.0
"""`pybernetes restore FILE`: what the file has not is deleted, what differs is written."""

import argparse
from pathlib import Path

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import common_arguments, open_existing

EXAMPLES = """examples:
  pybernetes restore monday.db         the default cluster is again what it was; it may run
  pybernetes restore monday.db test    the cluster "test"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="made by `pybernetes backup`")
    common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from pybernetes.cli.stores import carry_out

    if not options.file.is_file():
        raise Told(f"{options.file}: no such file")
    cluster = open_existing(options)
    carry_out(cluster, "restore", str(options.file.absolute()))
    print(f'Cluster "{cluster.name}" is as it was in {options.file}.')
    return 0
