# SPDX-License-Identifier: Apache-2.0
"""`pybernetes up`: start a cluster in the background (or here, with --foreground)."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pybernetes.base.errors import Told
from pybernetes.cli import etcd, stages
from pybernetes.cli.clusters import (
    DEFAULT_NAME,
    Cluster,
    common_arguments,
    data_home,
    open_cluster,
)
from pybernetes.cli.kubeconfig import use_context
from pybernetes.cli.progress import relay

EXAMPLES = """examples:
  pybernetes up                          one node: real containers where possible, else hollow
  pybernetes up --node hollow            a node that starts nothing (any system, no root)
  pybernetes up --node hollow --nodes 100 --stages stages.yaml   pods that finish, crash, flap
  pybernetes up --name test --port 0     a second cluster beside the first
  pybernetes up --nodes 3 --name lab     a lab: a control plane and 3 nodes on this machine
  pybernetes up -f lab.yaml              a lab as the file says; again: adds the file's new nodes
  pybernetes up --foreground             stay attached; Ctrl-C stops it
"""

_SETTINGS = ("node", "nodes", "port", "cluster_cidr", "service_cidr", "audit_log")


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)
    parser.add_argument(
        "--node",
        choices=("auto", "containerd", "hollow"),
        help="the node's runtime (default: auto: containerd if this machine can, else hollow)",
    )
    parser.add_argument(
        "-f", "--file", type=Path, help="a lab's file (`pybernetes lab schema` describes it)"
    )
    parser.add_argument(
        "--nodes", type=int, metavar="N", help="a lab with N nodes (with --node hollow: N of them)"
    )
    parser.add_argument(
        "--port", type=int, help="API server port; 0 picks a free one (default: 6443)"
    )
    parser.add_argument(
        "--cluster-cidr", help="pod addresses (default: 10.244.0.0/16, or a free one)"
    )
    parser.add_argument(
        "--service-cidr", help="service addresses (default: 10.96.0.0/16, or a free one)"
    )
    parser.add_argument(
        "--stages", type=Path, metavar="FILE", help="how hollow containers live; none: no longer so"
    )
    parser.add_argument(
        "--audit-log",
        action=argparse.BooleanOptionalAction,
        help="write every API request to audit.log in the data directory",
    )
    etcd.arguments(parser)
    parser.add_argument("--foreground", action="store_true", help="do not detach")
    parser.add_argument("--no-kubeconfig", action="store_true", help="leave ~/.kube/config alone")


def run(options: argparse.Namespace) -> int:
    asked = {key: value for key in _SETTINGS if (value := getattr(options, key)) is not None}
    asked |= etcd.settings(options)
    if options.file:
        asked = {**_settings_of_file(options), **asked}
    cluster = open_cluster(options)
    if cluster.state():  # it has run before
        _check_store(cluster.config(), asked)
        from pybernetes.cli.lab import changes

        asked = changes.merge(cluster, asked)
    if cluster.pid() and (options.file or (options.nodes and cluster.lab())):
        return 0
    if cluster.pid():
        raise Told(
            f'cluster "{cluster.name}" is running already (pid {cluster.pid()}); '
            f"`pybernetes down {cluster.name}` stops it"
        )
    cluster.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if options.stages:
        stages.keep(cluster, options.stages)
    cluster.settle(asked)
    if options.foreground:
        os.execv(sys.executable, [sys.executable, *_command(cluster, -1)])
    start(cluster)
    context = "" if options.no_kubeconfig else use_context(cluster)
    print_next_steps(cluster, context)
    return 0


def _settings_of_file(options: argparse.Namespace) -> dict[str, Any]:
    """What the file asks for; its name becomes the cluster's. Raises Told."""
    from pybernetes.cli.lab.file import load

    if options.nodes is not None:
        raise Told("--nodes: the file says which nodes there are", 2)
    found = load(options.file)
    asked = options.name or options.name_flag
    if asked not in {"", found["name"]}:
        raise Told(f'{options.file} is about the lab "{found["name"]}", not "{asked}"', 2)
    options.name = found["name"]
    return found


def _check_store(old: dict[str, Any], asked: dict[str, Any]) -> None:
    """Refuse to start with an empty store in place of the one that has the state. Raises Told."""
    before = bool(old.get("etcd_servers"))
    prefixes = [settings.get("etcd_prefix", "/registry") for settings in (old, {**old, **asked})]
    if "etcd_servers" in asked and bool(asked["etcd_servers"]) != before:
        raise Told("the cluster's state is elsewhere: `pybernetes migrate --to` moves it")
    if before and prefixes[0] != prefixes[1]:
        raise Told(f"--etcd-prefix is {prefixes[0]} and cannot become {prefixes[1]}")


def _command(cluster: Cluster, report: int) -> list[str]:
    return ["-m", "pybernetes.cmd.all_in_one", str(cluster.data_dir), "--report", str(report)]


def start(cluster: Cluster) -> None:
    """Start the process and relay its progress until it is ready. Raises Told."""
    reading, writing = os.pipe()
    log = cluster.log_path.open("ab")
    with log:
        process = subprocess.Popen(
            [sys.executable, *_command(cluster, writing)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            start_new_session=True,
            cwd="/",
        )
    os.close(writing)
    failure = relay(reading)
    if failure is None and cluster.pid() and cluster.state():
        return
    if failure and process.poll() is None:
        process.terminate()
    process.wait()
    raise Told(failure or f"the cluster did not start: see {cluster.log_path}")


def print_next_steps(cluster: Cluster, context: str) -> None:
    state = cluster.state()
    print(f'Cluster "{cluster.name}" is ready: {state["server"]}, {state["node"]}')
    for hint in state.get("hints", []):
        print(f"  {hint}")
    if context:
        print(f'kubectl uses context "{context}" now. Try:')
        flag = ""
    else:
        flag = f" --kubeconfig {Path(state['kubeconfig'])}"
        print("Try:")
    print(f"  kubectl{flag} get nodes -o wide")
    print(f"  kubectl{flag} create deployment web --image=pybernetes/web:1 --replicas=3")
    if cluster.lab():
        worker = cluster.lab()["nodes"][-1]["name"]
        print(f"  pybernetes node list   # stop, kill, cut, heal, shell {worker}; add, remove")
    print(f"  pybernetes down{_which(cluster)}   # stop; `up` brings everything back")


def _which(cluster: Cluster) -> str:
    """How the other verbs name this cluster."""
    if cluster.data_dir != data_home() / cluster.name:
        return f" --data-dir {cluster.data_dir}"
    return "" if cluster.name == DEFAULT_NAME else f" {cluster.name}"
