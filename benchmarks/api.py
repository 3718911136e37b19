# SPDX-License-Identifier: Apache-2.0
"""How many requests a second the API server answers over TLS on the loopback device.

`python benchmarks/api.py [--memory] [--seconds N]` starts an API server of its own (SQLite in a
temporary directory unless --memory) and drives it with wrk: GET and LIST by 32 connections, then
CREATE and PATCH of ConfigMaps. Load generator and server share the machine's cores.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from pybernetes.apiserver.config import Config
from pybernetes.apiserver.server import ApiServer
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.base.gcpolicy import freeze, tune
from pybernetes.base.tasks import TaskGroup
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Store
from pybernetes.wire.server import serve

TOKEN = "benchmark"
MAPS = "/api/v1/namespaces/default/configmaps"
CREATE = """
wrk.method, wrk.path = "POST", "{path}"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
wrk.body = '{{"metadata":{{"generateName":"w-"}},"data":{{"key":"{value}"}}}}'
"""
PATCH = """
local count, threads = 0, 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
wrk.headers["Content-Type"] = "application/merge-patch+json"
wrk.headers["Authorization"] = "Bearer {token}"
function request()
  count = count + 1
  local name = "p" .. (count % 100)
  return wrk.format("PATCH", "{path}/" .. name, nil, '{{"data":{{"n":"' .. count .. id .. '"}}}}')
end
"""
READ = 'wrk.headers["Authorization"] = "Bearer {token}"'


async def run_server(directory: Path | None, pipe: Connection) -> None:
    """Serve until the other side of the pipe closes; sends the port once ready."""
    tune()
    env = Env()
    store: Store = MemoryStore(env)
    if directory is not None:
        store = await SqliteStore.open(env, SqliteConfig(directory / "store.db"))
    config = Config(token_users={TOKEN: ("bench", ("system:masters",))})
    server = ApiServer(env, config, store)
    ca = tls.new_ca("benchmark", env.clock)
    pair = tls.issue(ca, tls.Subject("localhost", ips=["127.0.0.1"]), env.clock)
    async with TaskGroup("benchmark") as group:
        group.start(server.run(), "server")
        await server.wait_ready()
        listener = await serve(env, server.handler, ssl_context=tls.server_context(pair))
        freeze()
        pipe.send(listener.port)
        await asyncio.get_running_loop().run_in_executor(None, pipe.poll, None)
        await listener.close()
        group.cancel()
    await store.close()


def child(directory: Path | None, pipe: Connection) -> None:
    uvloop.run(run_server(directory, pipe))


class Wrk:
    """wrk against one server."""

    def __init__(self, port: int, seconds: int, directory: Path) -> None:
        self._url = f"https://127.0.0.1:{port}"
        self._seconds = seconds
        self._directory = directory

    def prepare(self, count: int) -> None:
        """The ConfigMaps that PATCH changes."""
        context = tls.client_context(None, verify=False)
        for number in range(count):
            body = json.dumps({"metadata": {"name": f"p{number}"}}).encode()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
            request = urllib.request.Request(self._url + MAPS, body, headers)
            urllib.request.urlopen(request, context=context).read()

    def run(self, label: str, path: str, script: str, connections: int = 32) -> None:
        file = self._directory / "script.lua"
        file.write_text(script)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self._seconds}s", "--latency"]
        done = subprocess.run(
            [*command, "-s", str(file), self._url + path],
            capture_output=True,
            text=True,
            check=True,
        )
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        tail = re.search(r"99%\s+(\S+)", done.stdout)
        failed = re.search(r"Non-2xx[^\n]*", done.stdout)
        shown = f"{float(rate[1]):>10,.0f}/s" if rate else "?"
        print(
            f"{label:<28}{shown}   p99 {tail[1] if tail else '?':>9}", failed[0] if failed else ""
        )


def measure(wrk: Wrk) -> None:
    fill = {"token": TOKEN, "path": MAPS, "value": "x" * 100}
    read = READ.format(**fill)
    wrk.run("GET a namespace", "/api/v1/namespaces/default", read)
    wrk.run("LIST 4 namespaces", "/api/v1/namespaces", read)
    wrk.run("LIST by field", "/api/v1/namespaces?fieldSelector=metadata.name%3Ddefault", read)
    create = CREATE.format(**fill)
    wrk.run("CREATE, 1 connection", MAPS, create, 1)
    wrk.run("CREATE, 32 connections", MAPS, create)
    wrk.prepare(100)
    wrk.run("PATCH (merge), 32 connections", MAPS, PATCH.format(**fill))
    wrk.run("LIST 500 of many", MAPS + "?limit=500", read, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", action="store_true", help="memory store instead of SQLite")
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: this benchmark drives the server with it")
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = multiprocessing.Pipe()
        place = None if options.memory else Path(name)
        server = multiprocessing.Process(target=child, args=(place, theirs))
        server.start()
        try:
            measure(Wrk(ours.recv(), options.seconds, Path(name)))
        finally:
            ours.send(None)
            server.join(10)


if __name__ == "__main__":
    main()
