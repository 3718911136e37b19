# SPDX-License-Identifier: Apache-2.0
"""`pybernetes status`: what runs, where it keeps its data, how large it is."""

import argparse
import asyncio
import json
from typing import Any

from pybernetes.cli.clusters import Cluster, common_arguments, open_existing
from pybernetes.cli.processes import described, memory, table

EXAMPLES = """examples:
  pybernetes status
  pybernetes status -o json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    cluster = open_existing(options)
    facts = _facts(cluster)
    if options.output == "json":
        print(json.dumps(facts, indent=2))
    else:
        nodes = facts.pop("nodes", [])
        print(table([(key, str(value)) for key, value in facts.items()]))
        if nodes:
            print(described(nodes))
    return 0 if facts["status"] == "running" else 3


def _facts(cluster: Cluster) -> dict[str, Any]:
    pid, state = cluster.pid(), cluster.state()
    facts: dict[str, Any] = {
        "cluster": cluster.name,
        "status": "running" if pid else "stopped",
        "server": state.get("server", ""),
        "node": state.get("node", ""),
        "data": str(cluster.data_dir),
        "log": str(cluster.log_path),
        "kubeconfig": state.get("kubeconfig", ""),
    }
    if pid:
        facts["pid"] = pid
        facts["since"] = state.get("since", "")
        facts["memory"] = memory(pid)
    if lab := cluster.lab():
        facts["nodes"] = [node_facts(cluster, node) for node in lab["nodes"]]
    return facts


def node_facts(cluster: Cluster, node: dict[str, Any]) -> dict[str, str]:
    """A lab's node and its process, one row of a table."""
    pid = cluster.node_pid(node["name"])
    hollow = cluster.pid() and "hollow" in cluster.state().get("node", "")
    runs = "cut" if pid and _is_cut(cluster, node["name"]) else "running"
    return {
        "node": node["name"],
        "role": node.get("role", "worker"),
        "address": node.get("address", ""),
        "status": runs if pid else "hollow" if hollow else "stopped",
        "pid": str(pid or ""),
        "memory": memory(pid) if pid else "",
    }


def _is_cut(cluster: Cluster, node: str) -> bool:
    from pybernetes.cmd.config import ClusterConfig
    from pybernetes.cmd.labmachine import LabMachine

    return asyncio.run(LabMachine(ClusterConfig.read(cluster.data_dir), node).is_cut())
