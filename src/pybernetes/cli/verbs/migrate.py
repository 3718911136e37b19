# SPDX-License-Identifier: Apache-2.0
"""`pybernetes migrate --to sqlite|etcd`: the state moves; revisions go on growing.

Into etcd, every object gets a new resourceVersion; older ones are refused (410, or 409 in an update).
Into SQLite, every object keeps its own; watches from older ones get 410.
"""

import argparse
from typing import Any

from pybernetes.base.errors import Told
from pybernetes.cli import etcd
from pybernetes.cli.clusters import common_arguments, open_existing

EXAMPLES = """examples:
  pybernetes down && pybernetes migrate --to etcd --etcd-servers http://10.0.0.1:2379 && pybernetes up
  pybernetes down && pybernetes migrate --to sqlite && pybernetes up
"""


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)
    parser.add_argument("--to", choices=("sqlite", "etcd"), required=True)
    etcd.arguments(parser)


def run(options: argparse.Namespace) -> int:
    from pybernetes.cli.stores import offline, told

    cluster, asked = open_existing(options), etcd.settings(options)
    if bool(asked.get("etcd_servers")) != (options.to == "etcd"):
        raise Told("--to etcd needs --etcd-servers; --to sqlite takes no --etcd flags", 2)
    if cluster.pid():
        raise Told(f'cluster "{cluster.name}" runs: `pybernetes down {cluster.name}` first')

    async def work(env: Any) -> None:
        from pybernetes.cmd.stores import migrate

        await migrate(env, cluster.data_dir, asked, told)

    offline(work)
    print(
        f'The state of cluster "{cluster.name}" is in {options.to} now; what was stays where it was.'
    )
    return 0
