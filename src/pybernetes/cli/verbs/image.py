# SPDX-License-Identifier: Apache-2.0
"""`pybernetes image load|list`: bring images into a cluster's nodes without a registry."""

import argparse
import asyncio
from pathlib import Path

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import Cluster, open_existing

EXAMPLES = """examples:
  pybernetes image list
  pybernetes image load app.tar                            an OCI or docker-save archive
  pybernetes image load ./rootfs --tag example.org/app:1 --entrypoint /bin/app
  pybernetes image load ./static-binary --tag app:1        the image is that one program
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("load", "list"))
    parser.add_argument("source", nargs="?", type=Path, help="archive, folder or static program")
    parser.add_argument("--tag", default="", help="the image's name (folder or program)")
    parser.add_argument("--entrypoint", action="append", default=[], help="program and arguments")
    parser.add_argument("--name", default="", help="the cluster")
    parser.add_argument("--data-dir", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(name_flag="")


def run(options: argparse.Namespace) -> int:
    cluster = open_existing(options)
    sockets = _sockets(cluster)
    if options.action == "list":
        return _list(sockets)
    if options.source is None:
        raise Told("image load: name an archive, a folder or a static program", 2)
    if not options.source.exists():
        raise Told(f"{options.source} does not exist")
    return _load(sockets, cluster, options)


def _sockets(cluster: Cluster) -> dict[str, str]:
    """containerd of every node that runs, by the node's name. Raises Told."""
    from pybernetes.cmd.config import ClusterConfig
    from pybernetes.machine.config import Config

    if not cluster.pid():
        raise Told(f'cluster "{cluster.name}" is not running; `pybernetes up` starts it')
    config = ClusterConfig.read(cluster.data_dir)
    folders = {config.node_name: config.node_dir}
    if config.lab:
        folders = {node.name: cluster.node_dir(node.name) for node in config.lab.nodes}
    paths = {name: Config(data=folder).socket for name, folder in folders.items()}
    found = {name: str(path) for name, path in paths.items() if path.exists()}
    if not found:
        raise Told("this cluster's nodes are hollow: they start nothing and keep no images")
    return found


def _list(sockets: dict[str, str]) -> int:
    from pybernetes.images import importer

    for node, socket in sockets.items():
        prefix = f"{node:20} " if len(sockets) > 1 else ""
        for image in asyncio.run(importer.present(socket)):
            for name in image.tags or (image.id,):
                print(f"{prefix}{name:60} {image.size / 1e6:8.1f} MB")
    return 0


def _load(sockets: dict[str, str], cluster: Cluster, options: argparse.Namespace) -> int:
    import tarfile

    from pybernetes.images import importer, oci
    from pybernetes.machine.containerd import StartError

    archive: Path = options.source
    temporary = cluster.data_dir / "image-load.tar"
    try:
        if archive.is_dir() or not tarfile.is_tarfile(archive):
            if not options.tag:
                raise Told("image load: give the image a name with --tag", 2)
            _build(options, temporary)
            archive = temporary
        asyncio.run(_load_everywhere(cluster, sockets, archive))
    except (importer.ImportFailed, StartError, OSError, ValueError) as error:
        raise Told(f"{options.source} cannot be loaded: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    print(f"Loaded {oci.reference(options.tag) if options.tag else options.source}")
    return 0


async def _load_everywhere(cluster: Cluster, sockets: dict[str, str], archive: Path) -> None:
    """Into every node that runs, and for a lab's nodes to come."""
    from pybernetes.base.env import Env
    from pybernetes.base.tasks import gather_ordered
    from pybernetes.cmd.labseed import Seed
    from pybernetes.images import importer

    await gather_ordered(importer.load(socket, archive) for socket in sockets.values())
    if cluster.lab():
        await Seed(Env(), cluster.data_dir).load(archive)


def _build(options: argparse.Namespace, target: Path) -> None:
    from pybernetes.images import oci

    source: Path = options.source
    if source.is_dir():
        entries = list(oci.folder(source))
        entrypoint = tuple(options.entrypoint)
    else:
        entries = [oci.Entry(source.name, source=source, mode=0o755)]
        entrypoint = (f"/{source.name}", *options.entrypoint)
    config = oci.ImageConfig(entrypoint=entrypoint)
    oci.build(target, [oci.reference(options.tag)], config, entries)
