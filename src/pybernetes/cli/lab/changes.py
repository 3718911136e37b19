# SPDX-License-Identifier: Apache-2.0
"""Changes to a lab that is there: nodes come and go; what cannot change is refused by name."""

from collections.abc import Iterator
from typing import Any

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import Cluster
from pybernetes.cli.lab.file import Node, node_entry
from pybernetes.cli.progress import ask

_FIELDS = {
    "port": "apiServer.port (--port)",
    "cluster_cidr": "networking.podCIDR (--cluster-cidr)",
    "service_cidr": "networking.serviceCIDR (--service-cidr)",
}


def merge(cluster: Cluster, asked: dict[str, Any]) -> dict[str, Any]:
    """The settings for a cluster that exists; nodes are added at once if it runs. Raises Told."""
    old, running = cluster.config(), bool(cluster.pid())
    if "lab" not in old:
        if "lab" in asked:
            raise Told(f'there is a cluster "{cluster.name}" already, which is no lab')
        return asked
    if "nodes" in asked:
        from pybernetes.cmd.labconfig import default_nodes

        nodes = default_nodes(cluster.name, asked["nodes"])
        asked = {**asked, "lab": {"nodes": [node_entry(node) for node in nodes]}}
    if lines := list(refused(old, asked, running=running)):
        hint = f'"{cluster.name}" exists; these need `pybernetes delete {cluster.name}` first'
        raise Told("\n".join([f"{len(lines)} change(s) refused: {hint}", *lines]))
    if "lab" not in asked:
        return asked
    here = [node["name"] for node in old["lab"]["nodes"]]
    wanted = [node["name"] for node in asked["lab"]["nodes"]]
    for node in asked["lab"]["nodes"]:
        if node["name"] not in here:
            add(cluster, node)
    for name in sorted({*here} - {*wanted}):
        print(f"Node {name} was not asked for and stays: `pybernetes node remove {name}`")
    if running and not {*wanted} - {*here}:
        print(f'Lab "{cluster.name}" runs and has these nodes; nothing to change.')
    return {key: value for key, value in asked.items() if key not in {"lab", "nodes"}}


def add(cluster: Cluster, node: Node) -> None:
    """Add a node to a running lab, or to the settings of a stopped one. Raises Told."""
    if cluster.pid():
        ask(cluster.data_dir, {"do": "node add", "node": node})
    else:
        lab = cluster.lab()
        cluster.settle({"lab": {**lab, "nodes": [*lab["nodes"], node]}})
    print(f"Node {node['name']} is added.")


def remove(cluster: Cluster, name: str) -> None:
    """Remove a worker, as `add` adds one. Raises Told."""
    lab = cluster.lab()
    if any(node["name"] == name and node.get("role") == "control-plane" for node in lab["nodes"]):
        raise Told(f"{name} is the control-plane node: it can be stopped, but not removed")
    if cluster.pid():
        ask(cluster.data_dir, {"do": "node remove", "node": {"name": name}})
    else:
        kept = [node for node in lab["nodes"] if node["name"] != name]
        cluster.settle({"lab": {**lab, "nodes": kept}})
    print(f"Node {name} is removed.")


def refused(old: dict[str, Any], new: dict[str, Any], *, running: bool) -> Iterator[str]:
    """What settings ask for that cannot change, a line each."""
    for key, field in _FIELDS.items():
        if key in old and new.get(key, old[key]) != old[key] and (running or key != "port"):
            yield f"spec.{field} is {old[key]} and cannot become {new[key]}"
    if "lab" not in new:
        return
    before, after = old["lab"], new["lab"]
    if (network := before.get("network")) and after.get("network", network) != network:
        yield f"spec.networking.nodeCIDR is {network} and cannot become {after['network']}"
    known = {node["name"]: node for node in before["nodes"]}
    for node in after["nodes"]:
        if node["name"] in known:
            yield from _changed(known[node["name"]], node)


def _changed(old: Node, new: Node) -> Iterator[str]:
    for key in ("role", "address", "labels", "taints", "cpu", "memory"):
        was, asked = ({"role": "worker", **node}.get(key) for node in (old, new))
        if (was or None) != (asked or None) and not (key == "address" and asked is None):
            yield f"{key} of node {new['name']} is {was} and cannot become {asked}"
