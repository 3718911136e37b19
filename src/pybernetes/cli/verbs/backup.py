# SPDX-License-Identifier: Apache-2.0
"""`pybernetes backup FILE`: everything the cluster remembers, at one revision."""

import argparse
from pathlib import Path

from pybernetes.cli.clusters import common_arguments, open_existing

EXAMPLES = """examples:
  pybernetes backup monday.db          of the default cluster, which goes on
  pybernetes backup monday.db test     of the cluster "test"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="is replaced if it is there")
    common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from pybernetes.cli.stores import carry_out

    cluster = open_existing(options)
    carry_out(cluster, "backup", str(options.file.absolute()))
    print(
        f'Cluster "{cluster.name}" is in {options.file}: objects and Secrets, not the keys of its CAs.'
    )
    return 0
