# SPDX-License-Identifier: Apache-2.0
"""`pybernetes status`: what runs, where it keeps its data, how large it is."""

import argparse
import json
from pathlib import Path

from pybernetes.cli.clusters import Cluster, common_arguments, open_cluster
from pybernetes.cli.errors import CliError

EXAMPLES = """examples:
  pybernetes status
  pybernetes status -o json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    cluster = open_cluster(options)
    if not cluster.exists:
        raise CliError(f'there is no cluster "{cluster.name}"; `pybernetes up` makes one')
    facts = _facts(cluster)
    if options.output == "json":
        print(json.dumps(facts, indent=2))
    else:
        width = max(len(key) for key in facts)
        for key, value in facts.items():
            print(f"{key.ljust(width)}  {value}")
    return 0 if facts["status"] == "running" else 3


def _facts(cluster: Cluster) -> dict[str, object]:
    pid, state = cluster.pid(), cluster.state()
    facts: dict[str, object] = {
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
        facts["memory"] = _memory(pid)
    return facts


def _memory(pid: int) -> str:
    """Proportional set size where the kernel lets us see it, else resident set size."""
    for name, word, label in (("smaps_rollup", "Pss:", "PSS"), ("status", "VmRSS:", "RSS")):
        try:
            lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
        except OSError:
            continue
        found = [int(line.split()[1]) for line in lines if line.startswith(word)]
        if found:
            return f"{found[0] // 1024} MB ({label})"
    return "unknown"
