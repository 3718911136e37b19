# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.storage.serving PATH`: an API server over a SQLite store, and what it answers.

A line every so often: the status of a create, of /readyz and of /livez, and the failed checks.
"""

import asyncio
import sys
from pathlib import Path

from pybernetes.apiserver.config import Config
from pybernetes.apiserver.server import ApiServer
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from tests.apiserver.conftest import Caller


async def ask(call: Caller) -> None:
    """Writes stop at times, so that the server has to find out by itself that they work again."""
    number = 0
    while True:
        number += 1
        status = 0
        ready = await call.reply("GET", "/readyz")
        if ready.status == 200:
            data = {"metadata": {"name": f"c{number}"}, "data": {"x": "x" * 1000}}
            made = await call.reply("POST", "/api/v1/namespaces/default/configmaps", data)
            status = made.status
        live = await call.reply("GET", "/livez")
        failed = [line.split()[0] for line in ready.body.decode().split("\n") if "[-]" in line]
        print(status, ready.status, live.status, *failed, flush=True)
        await asyncio.sleep(0.02)


async def main(path: Path) -> None:
    env = Env()
    store = await SqliteStore.open(env, SqliteConfig(path))
    server = ApiServer(env, Config(), store, None)
    async with TaskGroup("serving") as group:
        group.start(server.run(), "server")
        await server.wait_ready()
        await ask(Caller(server))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
