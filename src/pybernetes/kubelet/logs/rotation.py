# SPDX-License-Identifier: Apache-2.0
"""Container logs do not grow for ever: past the size limit the file is moved aside.

Rotated files are `0.log.20260102-150405`; all but the newest are compressed, and only
`container_log_max_files` (the current one included) are kept.
"""

import asyncio
import gzip
import shutil
from pathlib import Path

from pybernetes.base import logs
from pybernetes.cri.types import CriError
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.logs")
PERIOD = 10.0


async def run(tools: Tools) -> None:
    """Look at every running container's log until cancelled."""
    while True:
        await asyncio.sleep(PERIOD)
        try:
            await rotate_all(tools)
        except OSError as error:
            _log.warning("Logs could not be rotated", err=error)


async def rotate_all(tools: Tools) -> None:
    """Raises OSError."""
    big = await tools.env.offload.run(_big_files, tools.config)
    for item in [item for state in tools.pleg.states() for item in state.containers]:
        if item.state == "running" and Path(item.log_path) in big:
            try:
                await _rotate(tools, item.id, Path(item.log_path))
            except (CriError, OSError) as error:
                _log.warning("A log could not be rotated", container=item.name, err=error)


async def _rotate(tools: Tools, container_id: str, path: Path) -> None:
    stamp = tools.env.clock.now().strftime("%Y%m%d-%H%M%S")
    await tools.env.offload.run(_move, path, stamp, tools.config.container_log_max_files)
    try:
        await tools.runtime.reopen_log(container_id)
    except CriError:  # it goes on writing to the old file: that is the log, until the next try
        path.with_name(f"{path.name}.{stamp}").rename(path)
        raise


def _big_files(config: Config) -> set[Path]:
    limit = config.container_log_max_size
    return {path for path in config.pod_logs_dir.glob("*/*/*.log") if path.stat().st_size > limit}


def _move(path: Path, stamp: str, keep: int) -> None:
    """Move the log aside; compress and drop older ones."""
    rotated = sorted(item for item in path.parent.glob(f"{path.name}.*"))
    for old in rotated:
        if old.suffix != ".gz":
            with old.open("rb") as source, gzip.open(f"{old}.gz", "wb") as target:
                shutil.copyfileobj(source, target)
            old.unlink()
    path.rename(path.with_name(f"{path.name}.{stamp}"))
    rotated = sorted(item for item in path.parent.glob(f"{path.name}.*"))
    for old in rotated[: max(0, len(rotated) - (keep - 1))]:
        old.unlink()
