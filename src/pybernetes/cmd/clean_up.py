# SPDX-License-Identifier: Apache-2.0
"""Removes what a node made on this host (`python -m pybernetes.cmd.clean_up DATA_DIR`).

Works from the data directory alone, so also after the process was killed. State and images stay.
"""

import os
import shutil
import sys
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.cmd import labplace
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.labconfig import ConfigError
from pybernetes.cmd.node import node_config
from pybernetes.cmd.process import run
from pybernetes.machine import cleanup
from pybernetes.network import network
from pybernetes.proxy import proxy


async def clean_up(env: Env, config: ClusterConfig) -> list[str]:
    """Stop all pods and containerd, remove rules, links and mounts; what is left, a line each."""
    if config.lab is not None:
        return await labplace.clean_up(env, config)
    node = node_config(config)
    left = await cleanup.remove(env, node.machine, config.cgroup_root, keep_images=True)
    await proxy.clean_up(node.proxy)
    await network.clean_up(node.network)
    shutil.rmtree(config.node_dir / "cni", ignore_errors=True)
    return left


def main(data_dir: Path) -> int:
    """0 if nothing is left."""
    if os.geteuid() != 0 or not any((data_dir / made).exists() for made in ("node", "seed")):
        return 0  # hollow nodes make nothing on the host
    left: list[str] = []

    async def work(env: Env) -> None:
        left.extend(await clean_up(env, ClusterConfig.read(data_dir)))

    try:
        code = run(work, level="warning")
    except ConfigError as error:
        left.append(str(error))
        code = 1
    for line in left:
        print(line, file=sys.stderr)
    return 1 if left else code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
