# SPDX-License-Identifier: Apache-2.0
"""`pybernetes component NAME`: one component in a process of its own.

The API server works on a data directory and leaves admin.kubeconfig there; the others take it.
"""

import argparse
from pathlib import Path

from pybernetes.base.errors import Told
from pybernetes.cli import etcd, stages

NAMES = ("apiserver", "controller-manager", "dns", "hollow-node", "proxy", "scheduler")
EXAMPLES = """examples:
  pybernetes component apiserver --data-dir state     # writes state/admin.kubeconfig
  pybernetes component scheduler --kubeconfig admin.kubeconfig
  pybernetes component hollow-node --kubeconfig admin.kubeconfig --node-name extra --nodes 5
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", choices=NAMES)
    parser.add_argument("--kubeconfig", type=Path, help="all but apiserver")
    parser.add_argument(
        "--data-dir", type=Path, help="apiserver: its state; controller-manager: whose CA signs"
    )
    parser.add_argument("--node-name", default="node", help="hollow-node, proxy, dns")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="hollow-node: how many")
    parser.add_argument("--stages", type=Path, metavar="FILE", help="hollow-node")
    parser.add_argument("--address", default="127.0.0.1", help="where it listens, if it does")
    parser.add_argument("--port", type=int, default=0, help="where it listens (0: its default)")
    etcd.arguments(parser)


def run(options: argparse.Namespace) -> int:
    from pybernetes.cmd.component import ComponentConfig, main
    from pybernetes.cmd.stages import parse

    if options.component == "hollow-node" and options.address in ("0.0.0.0", "::"):
        raise Told("--address must be one that the API server reaches the nodes at", 2)
    if not 1 <= options.nodes <= 10_000:
        raise Told(f"--nodes {options.nodes}: must be between 1 and 10000", 2)
    flag = "data_dir" if options.component == "apiserver" else "kubeconfig"
    if getattr(options, flag) is None:
        raise Told(f"{options.component} needs --{flag.replace('_', '-')}", 2)
    config = ComponentConfig(
        name=options.component,
        kubeconfig=options.kubeconfig or Path(),
        data_dir=(options.data_dir or Path()).absolute(),
        node_name=options.node_name,
        address=options.address,
        port=options.port,
        nodes=options.nodes,
        etcd=etcd.settings(options),
        stages=parse(stages.check(options.stages)) if options.stages else None,
    )
    return main(config)
