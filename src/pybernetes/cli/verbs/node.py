# SPDX-License-Identifier: Apache-2.0
"""`pybernetes node ...`: the nodes of a lab, changed while it runs; add and remove also before."""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import Cluster, open_existing

EXAMPLES = """examples:
  pybernetes node list
  pybernetes node add w4 --memory 2Gi --label disk=ssd --taint dedicated=db:NoSchedule
  pybernetes node stop w1      shut down: its pods are ended
  pybernetes node kill w1      as if its power had gone
  pybernetes node cut w1       its network cable is pulled
  pybernetes node heal w1      undoes cut, stop and kill (start: stop and kill only)
  pybernetes node remove w2
  pybernetes node shell w1     a shell inside of the node; -- COMMAND runs that instead
"""

_ACTIONS = ("list", "add", "remove", "start", "stop", "kill", "cut", "heal", "shell")
_DONE = {
    "start": "started",
    "stop": "stopped",
    "kill": "killed",
    "cut": "cut off",
    "heal": "healed",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=_ACTIONS)
    parser.add_argument("nodes", nargs="*", metavar="NODE", help="one or more (list: the cluster)")
    parser.add_argument("--name", default="", help="the cluster (default: the only lab there is)")
    parser.add_argument("--data-dir", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(name_flag="")
    new = parser.add_argument_group("node add")
    new.add_argument("--address", help="inside the nodes' range (default: a free one)")
    new.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    new.add_argument("--taint", action="append", default=[], metavar="KEY[=VALUE]:EFFECT")
    new.add_argument("--cpu", help='a quantity: "2", 500m (default: all of the machine)')
    new.add_argument("--memory", help="a quantity: 2Gi (default: all of the machine)")


def run(options: argparse.Namespace) -> int:
    if options.action == "list":
        options.name, options.nodes = options.name or "".join(options.nodes[:1]), []
    elif not options.nodes:
        raise Told(f"node {options.action}: name a node", 2)
    cluster = _lab(options)
    if os.geteuid() != 0 and options.action not in {"list", "add", "remove"}:
        raise Told(f"node {options.action} needs root: the nodes of a lab are namespaces", 1)
    if options.action == "list":
        return _list(cluster)
    if options.action == "add":
        return _add(cluster, options)
    _check_known(cluster, options.nodes[:1] if options.action == "shell" else options.nodes)
    if options.action == "shell":
        return _shell(cluster, *options.nodes)
    for name in options.nodes:
        _change(cluster, options.action, name)
    return 0


def _lab(options: argparse.Namespace) -> Cluster:
    """The lab that is named, or the only one there is. Raises Told."""
    cluster = open_existing(options, lab=True)
    if not cluster.lab():
        raise Told(
            f'cluster "{cluster.name}" is no lab: its nodes cannot be changed one by one; '
            "`pybernetes up --nodes 3 --name lab` makes a lab"
        )
    return cluster


def _check_known(cluster: Cluster, names: list[str]) -> None:
    known = [node["name"] for node in cluster.lab()["nodes"]]
    for name in names:
        if name not in known:
            raise Told(f'no node "{name}" in "{cluster.name}": there are {", ".join(known)}')


def _change(cluster: Cluster, action: str, name: str) -> None:
    from pybernetes.cli.lab import changes
    from pybernetes.cli.progress import ask

    if action == "remove":
        return changes.remove(cluster, name)
    if not cluster.pid():
        raise Told(
            f'cluster "{cluster.name}" is not running; `pybernetes up {cluster.name}` starts it'
        )
    ask(cluster.data_dir, {"do": f"node {action}", "node": {"name": name}})
    print(f"Node {name} is {_DONE[action]}.")
    return None


def _add(cluster: Cluster, options: argparse.Namespace) -> int:
    from pybernetes.cli.lab import changes, file

    given = {key: getattr(options, key) for key in ("address", "cpu", "memory")}
    settings = {key: value for key, value in given.items() if value}
    if options.label:
        settings["labels"] = dict(_pair("--label", text) for text in options.label)
    if options.taint:
        settings["taints"] = [_taint(text) for text in options.taint]
    for name in options.nodes:
        node = {"name": name, **settings}
        file.check_node(node, cluster.lab())
        changes.add(cluster, file.node_entry(node))
    return 0


def _pair(flag: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise Told(f"{flag} {text}: must be KEY=VALUE", 2)
    return key, value


def _taint(text: str) -> dict[str, str]:
    marks, colon, effect = text.rpartition(":")
    if not colon:
        raise Told(f"--taint {text}: must be KEY[=VALUE]:EFFECT", 2)
    key, _, value = marks.partition("=")
    taint: dict[str, Any] = {"key": key, "effect": effect}
    return {**taint, "value": value} if value else taint


def _list(cluster: Cluster) -> int:
    from pybernetes.cli.processes import described
    from pybernetes.cli.verbs.status import node_facts

    print(described([node_facts(cluster, node) for node in cluster.lab()["nodes"]]))
    return 0


def _shell(cluster: Cluster, name: str, *command: str) -> int:
    from pybernetes.linux import namespaces
    from pybernetes.machine.config import Config

    folder = cluster.data_dir / "ns" / name
    if not (folder / "net").exists():
        raise Told(f"node {name} is not there; `pybernetes up {cluster.name}` starts the lab")
    socket = Config(data=cluster.node_dir(name)).socket
    env = {
        **{key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
        "PS1": f"root@{name}:$PWD# ",
        "CONTAINERD_ADDRESS": str(socket),  # for ctr
        "CONTAINERD_NAMESPACE": "k8s.io",
        "CONTAINER_RUNTIME_ENDPOINT": f"unix://{socket}",  # for crictl
    }
    shell = ("bash", "--norc") if shutil.which("bash") else ("sh",)
    words = [*namespaces.joining(folder), *(command or (*shell, "-i"))]
    sys.stdout.flush()
    try:
        os.execvpe(words[0], words, env)
    except OSError as error:
        raise Told(f"{words[0]}: {error.strerror}") from error
