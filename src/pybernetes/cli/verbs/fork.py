# SPDX-License-Identifier: Apache-2.0
"""`pybernetes fork NAME [NEW]`: a copy of a cluster, with hollow nodes of the same names."""

import argparse
import shutil

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import Cluster, common_arguments, open_cluster, open_existing
from pybernetes.cli.kubeconfig import use_context
from pybernetes.cli.verbs import up

EXAMPLES = """examples:
  pybernetes fork lab              "lab-fork": the objects of "lab", at the same revisions, on another port
  pybernetes fork lab what-if      by another name; `pybernetes delete what-if` removes it
"""
_ITS_OWN = ("lab", "node", "nodes", "port", "name")  # settings that a fork does not take over


def configure(parser: argparse.ArgumentParser) -> None:
    common_arguments(parser)
    parser.add_argument("new", nargs="?", default="", help="the fork's name (default: NAME-fork)")
    parser.add_argument("--port", type=int, default=0, help="its port (default: any free one)")
    parser.add_argument("--no-kubeconfig", action="store_true", help="leave ~/.kube/config alone")


def run(options: argparse.Namespace) -> int:
    origin = open_existing(options)
    name = options.new or f"{origin.name}-fork"
    new = open_cluster(argparse.Namespace(name=name, data_dir=None))
    try:
        new.data_dir.mkdir(parents=True, mode=0o700)
    except FileExistsError as error:
        text = f'there is a cluster "{name}" already ({new.data_dir}): name the fork otherwise'
        raise Told(text) from error
    try:
        _copy(origin, new, options.port)
        up.start(new)
    except BaseException:
        shutil.rmtree(new.data_dir)
        raise
    up.print_next_steps(new, "" if options.no_kubeconfig else use_context(new))
    return 0


def _copy(origin: Cluster, new: Cluster, port: int) -> None:
    """State, keys and stages; the configuration last. Raises Told."""
    from pybernetes.cli.stores import carry_out
    from pybernetes.cmd.stores import remembered_nodes

    state = new.data_dir / "store.db"
    carry_out(origin, "backup", str(state))
    shutil.copytree(origin.data_dir / "pki", new.data_dir / "pki")
    if (origin.data_dir / "stages.yaml").exists():
        shutil.copy(origin.data_dir / "stages.yaml", new.data_dir)
    kept = {
        key: value
        for key, value in origin.config().items()
        if key not in _ITS_OWN and not key.startswith("etcd_")
    }
    nodes = remembered_nodes(state)
    ours = {"node": "hollow", "nodes": max(len(nodes), 1), "hollow_nodes": nodes, "port": port}
    new.settle({**kept, **ours})
