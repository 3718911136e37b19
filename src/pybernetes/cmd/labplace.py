# SPDX-License-Identifier: Apache-2.0
"""A lab's (or cluster's) place on this machine: ranges and names, taken before it starts and given back at its end."""

import contextlib
import fcntl
import os
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.base import files, logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import gather_ordered
from pybernetes.cmd.config import ClusterConfig, read_json
from pybernetes.cmd.labconfig import ConfigError, is_lab, resolve, with_ranges
from pybernetes.cmd.labmachine import LabMachine, pins
from pybernetes.cmd.labseed import Seed
from pybernetes.linux import cgroups, hosts, mounts
from pybernetes.machine.config import Config
from pybernetes.network import segment
from pybernetes.network.segment import SegmentConfig

_log = logs.get("lab")


async def settle(data_dir: Path) -> None:
    """Choose every range and address that config.json does not name, and write them into it.

    One cluster at a time: others choose beside what is written. Raises ConfigError, CommandError.
    """
    config = ClusterConfig.read(data_dir)
    home = os.open(data_dir.parent, os.O_RDONLY)
    try:
        fcntl.flock(home, fcntl.LOCK_EX)
        taken = await segment.taken(config.bridge)
        avoid = []
        for other in data_dir.parent.glob("*/config.json"):
            if other.parent != data_dir:
                with contextlib.suppress(ConfigError):
                    beside = ClusterConfig.read(other.parent)
                    avoid += [] if beside.node == "hollow" else beside.networks
        found = read_json(data_dir)
        if is_lab(found):
            record(data_dir, resolve(found, taken, avoid))
        else:
            files.write_json(data_dir / "config.json", with_ranges(found, [*taken, *avoid]))
    finally:
        os.close(home)


def record(data_dir: Path, config: Object) -> None:
    """Write config.json, if no node's socket has too long a path. Raises ConfigError."""
    try:
        for node in config["lab"]["nodes"]:
            Config(data=data_dir / "nodes" / node["name"]).check()
    except ValueError as error:
        raise ConfigError(str(error)) from error
    files.write_json(data_dir / "config.json", config)


def segment_config(config: ClusterConfig) -> SegmentConfig:
    """The lab's bridge and rules on this host."""
    assert config.lab is not None
    return SegmentConfig(
        bridge=config.bridge,
        table=f"pybernetes-{config.slug}-lab",
        network=config.lab.network,
        address=config.lab.gateway,
        cluster_cidr=config.cluster_cidr,
        service_cidr=config.service_cidr,
        services_via=config.lab.nodes[0].address,
    )


def name_nodes(config: ClusterConfig) -> None:
    """Make the nodes' names known to this host."""
    assert config.lab is not None
    full = {f"{name}.{config.name}": one for name, one in config.lab.hosts.items()}
    try:
        hosts.write(_mark(config), config.lab.hosts | full)
    except OSError as error:
        _log.warning("The nodes' names are not known to this host", err=error)


def _mark(config: ClusterConfig) -> str:
    """Our block in /etc/hosts."""
    return f"pybernetes {config.name} {config.slug}"


async def clean_up(env: Env, config: ClusterConfig) -> list[str]:
    """End all nodes and remove what the lab made on this host, its state not; what is left."""
    names = sorted(path.name for path in pins(config).glob("*"))
    machines = [LabMachine(config, name) for name in names]
    left = await gather_ordered(machine.turn_off() for machine in machines)
    cgroups.kill(config.cgroup_root)
    if not cgroups.remove(config.cgroup_root):
        left.append([f"cgroup {config.cgroup_root}"])
    mounts.detach_below(pins(config))
    await Seed(env, config.data_dir).clear()
    await segment.clean_up(segment_config(config))
    with contextlib.suppress(OSError):
        hosts.write(_mark(config), {})
    return [line for lines in left for line in lines]
