# SPDX-License-Identifier: Apache-2.0
"""Events against a server that keeps objects in a dict, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import orjson

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.types import Object, User
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.base.virtualtime import run
from pybernetes.client import events
from pybernetes.client.events import Recorder
from pybernetes.client.inprocess import InProcess
from pybernetes.wire.types import Request, Response

POD: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}}


class Server:
    """Objects by path; PUT checks resourceVersion."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.version = 0
        self.down = False

    def handle(self, request: Request) -> Response:
        if self.down:
            raise ConnectionRefusedError("down")
        try:
            return Response(body=orjson.dumps(self.answer(request)))
        except errors.ApiError as error:
            return Response(error.code, orjson.dumps(error.status()))

    def answer(self, request: Request) -> Object:
        body = orjson.loads(request.body) if request.body else {}
        path = request.path
        if request.method == "POST":
            path += f"/{body['metadata']['name']}"
        old = self.objects.get(path)
        if request.method == "POST" and old is not None:
            raise errors.already_exists("things", "", path)
        if request.method != "POST" and old is None:
            raise errors.not_found("things", "", path)
        if request.method == "GET":
            return old or {}
        if request.method == "PUT" and old and old["metadata"] != body["metadata"]:
            raise errors.conflict("things", "", path)
        self.version += 1
        new = {**old, **body} if request.method == "PATCH" and old else body
        new["metadata"] = {**new["metadata"], "resourceVersion": str(self.version)}
        self.objects[path] = new
        return new


def with_server(main: Callable[[Env, Server, InProcess], Awaitable[None]]) -> None:
    async def everything(env: Env) -> None:
        server = Server()
        await main(env, server, InProcess(server.handle, User("test")))

    run(everything)


async def record(env: Env, client: InProcess, messages: list[str], server: Server) -> list[Object]:
    recorder = Recorder(env, client, "tester", "host")
    async with TaskGroup("test") as group:
        group.start(recorder.run(), "recorder")
        for message in messages:
            recorder.event(POD, "Normal", "Tested", message)
        await asyncio.sleep(100)
        group.cancel()
    return list(server.objects.values())


def test_the_same_event_is_counted() -> None:
    async def main(env: Env, server: Server, client: InProcess) -> None:
        first, second = await record(env, client, ["one", "two", "one", "one"], server)
        assert (first["message"], first["count"]) == ("one", 3)
        assert (second["message"], second["count"]) == ("two", 1)
        assert first["involvedObject"]["name"] == "p"
        assert first["source"] == {"component": "tester", "host": "host"}
        assert first["metadata"]["name"].startswith("p.")

    with_server(main)


def test_many_similar_events_are_combined_and_bounded() -> None:
    async def main(env: Env, server: Server, client: InProcess) -> None:
        written = await record(env, client, [f"message {n}" for n in range(60)], server)
        assert len(written) == 10
        assert written[-1]["message"].startswith("(combined from similar events): ")
        assert sum(event["count"] for event in written) == 25  # the burst for one object

    with_server(main)


def test_events_outlast_a_server_that_is_down() -> None:
    async def main(env: Env, server: Server, client: InProcess) -> None:
        server.down = True
        recorder = Recorder(env, client, "tester")
        async with TaskGroup("test") as group:
            group.start(recorder.run(), "recorder")
            recorder.event(POD, "Warning", "Tested", "late")
            await asyncio.sleep(30)
            server.down = False
            await asyncio.sleep(15)
            group.cancel()
        assert [event["message"] for event in server.objects.values()] == ["late"]

    with_server(main)


def test_drops_are_told_once_a_minute_with_their_count(monkeypatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(events, "BACKLOG", 1)
    log = SimpleNamespace(warning=lambda _, dropped: told.append(dropped))
    monkeypatch.setattr(events, "_log", log)

    async def main(env: Env, server: Server, client: InProcess) -> None:
        recorder = Recorder(env, client, "tester")
        for _ in range(5):
            recorder.event(POD, "Normal", "Tested", "m")
        await asyncio.sleep(61)
        recorder.event(POD, "Normal", "Tested", "m")
        assert told == [1, 4]

    with_server(main)
