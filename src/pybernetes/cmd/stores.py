# SPDX-License-Identifier: Apache-2.0
"""The cluster's store: opened, backed up, restored, moved between SQLite and etcd."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.base import files
from pybernetes.base.env import Env
from pybernetes.cmd.config import ClusterConfig, read_json
from pybernetes.storage import snapshot
from pybernetes.storage.etcd import EtcdConfig, EtcdStore
from pybernetes.storage.restore import restore as restore_content
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Store, StoreError

Report = Callable[[str], None]
FILE = "store.db"
NODES = "/registry/minions/"


def etcd_config(config: ClusterConfig) -> EtcdConfig:
    return EtcdConfig(
        endpoints=tuple(url.strip() for url in config.etcd_servers.split(",")),
        cafile=config.etcd_cafile,
        certfile=config.etcd_certfile,
        keyfile=config.etcd_keyfile,
        prefix=config.etcd_prefix.rstrip("/") + "/",
    )


@contextlib.asynccontextmanager
async def opened(env: Env, config: ClusterConfig) -> AsyncIterator[Store]:
    """The store that the configuration names. Raises StoreError."""
    sqlite = SqliteConfig(config.data_dir / FILE, config.quota_backend_bytes)
    store: Store
    if config.etcd_servers:
        store = await EtcdStore.open(env, etcd_config(config))
    else:
        store = await SqliteStore.open(env, sqlite)
    try:
        yield store
    finally:
        await store.close()


async def _backup(env: Env, store: Store, request: Object, report: Report) -> None:
    """Write a snapshot to the file `path`, while writes go on."""
    await store.snapshot(request["path"])
    revision = await env.offload.run(snapshot.revision_of, Path(request["path"]))
    report(f"backed up at revision {revision}")


async def _restore(env: Env, store: Store, request: Object, report: Report) -> None:
    """Bring the store to what the snapshot `path` holds."""
    content = await env.offload.run(snapshot.read, Path(request["path"]))
    changed = await restore_content(store, content, env.clock)
    report(f"{changed} keys changed; the store is at revision {store.revision}")


REQUESTS = {"backup": _backup, "restore": _restore}  # of a store that somebody has open


def remembered_nodes(path: Path) -> list[Object]:
    """Names and capacities of the nodes that a snapshot of a store knows. Raises StoreError."""
    known = [json.loads(record.value) for record in snapshot.read(path, NODES).records]
    return [
        {
            "name": node["metadata"]["name"],
            "capacity": (node.get("status") or {}).get("capacity", {}),
        }
        for node in known
    ]


async def migrate(env: Env, data_dir: Path, asked: Object, report: Report) -> None:
    """Move a stopped cluster's state to the store that `asked` (settings of config.json) names."""
    asked = {"etcd_servers": "", **asked}
    here = ClusterConfig.read(data_dir)
    there = replace(here, **asked)
    if here.etcd_servers and there.etcd_servers:
        raise StoreError("the state is in etcd already: its members' URLs change with `up`")
    if not here.etcd_servers and not there.etcd_servers:
        raise StoreError("the state is in SQLite already")
    partial = data_dir / f"{FILE}.moving"
    async with opened(env, here) as store:
        await store.snapshot(str(partial))
    try:
        if there.etcd_servers:
            await _to_etcd(env, there, partial)
        else:
            _keep(data_dir)
            partial.replace(data_dir / FILE)
        files.write_json(data_dir / "config.json", {**read_json(data_dir), **asked})
        if there.etcd_servers:
            _keep(data_dir)
    finally:
        partial.unlink(missing_ok=True)
    report("moved")


async def _to_etcd(env: Env, there: ClusterConfig, path: Path) -> None:
    content = await env.offload.run(snapshot.read, path)
    store = await EtcdStore.open(env, etcd_config(there))
    try:
        if (await store.list("", limit=1)).records:
            raise StoreError(
                f"etcd has keys below {there.etcd_prefix} already: choose another prefix"
            )
        await store.start_after(content.revision)
    finally:
        await store.close()
    async with opened(env, there) as target:
        await restore_content(target, content, env.clock)
        await target.compact(target.revision)  # older revisions were another store's


def _keep(data_dir: Path) -> None:
    """What was the store stays beside it, by another name."""
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        if (data_dir / name).exists():
            (data_dir / name).replace(data_dir / name.replace(FILE, f"{FILE}.before-migrate"))
