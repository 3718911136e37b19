# SPDX-License-Identifier: Apache-2.0
"""`pybernetes up`: start a cluster in the background (or here, with --foreground)."""

import argparse
import os
import select
import subprocess
import sys
from pathlib import Path

from pybernetes.cli import stages
from pybernetes.cli.clusters import (
    DEFAULT_NAME,
    Cluster,
    common_arguments,
    data_home,
    open_cluster,
)
from pybernetes.cli.errors import CliError
from pybernetes.cli.kubeconfig import use_context

EXAMPLES = """examples:
  pybernetes up                          one node: real containers where possible, else hollow
  pybernetes up --node hollow            a node that starts nothing (any system, no root)
  pybernetes up --node hollow --nodes 100 --stages stages.yaml   pods that finish, crash, flap
  pybernetes up --name test --port 0     a second cluster beside the first
  pybernetes up --foreground             stay attached; Ctrl-C stops it
"""

START_SECONDS = 60  # without any progress


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)
    parser.add_argument(
        "--node",
        choices=("auto", "containerd", "hollow"),
        help="the node's runtime (default: auto: containerd if this machine can, else hollow)",
    )
    parser.add_argument("--nodes", type=int, metavar="N", help="hollow nodes to run (default: 1)")
    parser.add_argument(
        "--port", type=int, help="API server port; 0 picks a free one (default: 6443)"
    )
    parser.add_argument("--cluster-cidr", help="pod addresses (default: 10.244.0.0/16)")
    parser.add_argument("--service-cidr", help="service addresses (default: 10.96.0.0/16)")
    parser.add_argument(
        "--stages", type=Path, metavar="FILE", help="how hollow containers live; none: no longer so"
    )
    parser.add_argument("--foreground", action="store_true", help="do not detach")
    parser.add_argument("--no-kubeconfig", action="store_true", help="leave ~/.kube/config alone")


def run(options: argparse.Namespace) -> int:
    cluster = open_cluster(options)
    if cluster.pid():
        raise CliError(
            f'cluster "{cluster.name}" is running already (pid {cluster.pid()}); '
            f"`pybernetes down {cluster.name}` stops it"
        )
    cluster.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if options.stages:
        stages.keep(cluster, options.stages)
    cluster.settle(options)
    if options.foreground:
        os.execv(sys.executable, [sys.executable, *_command(cluster, -1)])
    _start(cluster)
    context = "" if options.no_kubeconfig else use_context(cluster)
    _print_next_steps(cluster, context)
    return 0


def _command(cluster: Cluster, report: int) -> list[str]:
    return ["-m", "pybernetes.cmd.all_in_one", str(cluster.data_dir), "--report", str(report)]


def _start(cluster: Cluster) -> None:
    """Start the process and relay its progress until it is ready. Raises CliError."""
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
    failure = _relay(reading)
    if failure is None and cluster.is_ready():
        return
    if failure is not None and process.poll() is None:
        process.terminate()
    process.wait()
    raise CliError(failure or f"the cluster did not start: see {cluster.log_path}")


def _relay(reading: int) -> str | None:
    """Print progress lines until "ready" or "error: ..."; the error's text or None."""
    buffered = b""
    while select.select([reading], [], [], START_SECONDS)[0]:
        data = os.read(reading, 4096)
        if not data:
            return None
        *lines, buffered = (buffered + data).split(b"\n")
        for line in lines:
            word, _, text = line.decode(errors="replace").partition(": ")
            if word == "error":
                return text
            if word == "ready":
                return None
            print(f"  {line.decode(errors='replace')}", file=sys.stderr)
    return f"no progress for {START_SECONDS} s: see the log"


def _print_next_steps(cluster: Cluster, context: str) -> None:
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
    print(f"  pybernetes down{_which(cluster)}   # stop; `up` brings everything back")


def _which(cluster: Cluster) -> str:
    """How the other verbs name this cluster."""
    if cluster.data_dir != data_home() / cluster.name:
        return f" --data-dir {cluster.data_dir}"
    return "" if cluster.name == DEFAULT_NAME else f" {cluster.name}"
