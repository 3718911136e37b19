# SPDX-License-Identifier: Apache-2.0
"""`pybernetes component NAME`: one component in a process of its own, against a kubeconfig."""

import argparse
from pathlib import Path

from pybernetes.cli.errors import CliError

NAMES = ("controller-manager", "dns", "hollow-node", "proxy", "scheduler")
EXAMPLES = """examples:
  pybernetes component scheduler --kubeconfig admin.kubeconfig
  pybernetes component hollow-node --kubeconfig admin.kubeconfig --node-name extra
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", choices=NAMES)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--node-name", default="node", help="hollow-node, proxy, dns")
    parser.add_argument("--address", default="127.0.0.1", help="where hollow-node and dns listen")
    parser.add_argument("--port", type=int, default=0, help="where hollow-node and dns listen")


def run(options: argparse.Namespace) -> int:
    from pybernetes.client.kubeconfig import KubeconfigError
    from pybernetes.cmd.component import ComponentConfig, main

    config = ComponentConfig(
        name=options.component,
        kubeconfig=options.kubeconfig,
        node_name=options.node_name,
        address=options.address,
        port=options.port,
    )
    try:
        return main(config)
    except (KubeconfigError, OSError) as error:
        raise CliError(str(error)) from error
