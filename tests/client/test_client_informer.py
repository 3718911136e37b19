# SPDX-License-Identifier: Apache-2.0
"""Informers over a server that is a few lines here: what they ask for and what they make of it."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import orjson
import pytest

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.base.virtualtime import run
from pybernetes.client.informer import Informers
from pybernetes.client.inprocess import InProcess
from pybernetes.wire.types import Reply, Request, Response, StreamingResponse

PODS = GVR("", "v1", "pods")
USER = User("system:test")


def pod(name: str, version: int, uid: str = "", **labels: str) -> Object:
    metadata = {"name": name, "namespace": "ns", "uid": uid or name, "labels": labels}
    metadata["resourceVersion"] = str(version)  # type: ignore[assignment]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


class Server:
    """Holds objects; watches see what `send` sends. `watch_list` False: an older server."""

    def __init__(self, *objects: Object, watch_list: bool = True) -> None:
        self.objects = list(objects)
        self.version = 10
        self.watch_list = watch_list
        self.requests: list[dict[str, str]] = []
        self.streams: list[asyncio.Queue[Object | None]] = []

    def handle(self, request: Request) -> Reply:
        assert request.identity is USER
        query = {key: values[0] for key, values in parse_qs(request.query).items()}
        self.requests.append(query)
        if query.get("watch") == "true":
            if "sendInitialEvents" in query and not self.watch_list:
                return _failure(errors.invalid("ListOptions", "meta.k8s.io", "", []))
            return StreamingResponse(self.stream("sendInitialEvents" in query))
        items = [{"metadata": item["metadata"]} for item in self.objects]
        head = {"resourceVersion": str(self.version)}
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": head, "items": items}
        return Response(body=orjson.dumps(body))

    async def stream(self, initial: bool) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[Object | None] = asyncio.Queue()
        self.streams.append(queue)
        if initial:
            for item in self.objects:
                yield _line("ADDED", item)
            ends = {"k8s.io/initial-events-end": "true"}
            mark = {"resourceVersion": str(self.version), "annotations": ends}
            yield _line("BOOKMARK", {"kind": "Pod", "metadata": mark})
        while (event := await queue.get()) is not None:
            data = orjson.dumps(event) + b"\n"
            yield data[:7]  # lines do not come in one piece
            yield data[7:]

    def send(self, kind: str, obj: Object) -> None:
        self.streams[-1].put_nowait({"type": kind, "object": obj})

    def end(self) -> None:
        self.streams[-1].put_nowait(None)


def _line(kind: str, obj: Object) -> bytes:
    return orjson.dumps({"type": kind, "object": obj}) + b"\n"


def _failure(error: errors.ApiError) -> Response:
    return Response(error.code, orjson.dumps(error.status()))


def names(items: list[Object]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_follows_changes_with_indexes_and_callbacks() -> None:
    async def main(env: Env) -> None:
        server = Server(pod("a", 1, app="x"), pod("b", 2, app="y"))
        informers = Informers(env, InProcess(server.handle, USER))
        pods = informers.get(PODS)
        assert pods is informers.get(PODS)
        pods.add_index("app", lambda obj: list(obj["metadata"]["labels"].values()))
        seen: list[tuple[str, str]] = []

        def changed(old: Object | None, new: Object | None) -> None:
            verb = "added" if old is None else "changed" if new else "deleted"
            seen.append((verb, (new or old or {})["metadata"]["name"]))

        pods.on_change(changed)
        async with TaskGroup("test") as group:
            group.start(informers.run(), "informers")
            await informers.wait_synced()
            assert names(pods.by_index("app", "x")) == ["a"]
            server.send("MODIFIED", pod("a", 11, app="y"))
            server.send("DELETED", pod("b", 12, app="y"))
            server.send("MODIFIED", pod("a", 5, app="stale"))
            server.send("ADDED", pod("a", 13, uid="another", app="z"))
            await asyncio.sleep(1)
            group.cancel()
        assert seen == [
            ("added", "a"),
            ("added", "b"),
            ("changed", "a"),
            ("deleted", "b"),
            ("deleted", "a"),
            ("added", "a"),
        ]
        assert names(pods.by_index("app", "z")) == ["a"]
        assert pods.by_index("app", "y") == []
        late: list[str] = []
        pods.on_change(lambda _, new: late.append((new or {})["metadata"]["name"]))
        assert late == ["a"]

    run(main)


def test_a_watch_that_ends_goes_on_and_an_expired_one_lists_again() -> None:
    async def main(env: Env) -> None:
        server = Server(pod("a", 1), pod("b", 2))
        informers = Informers(env, InProcess(server.handle, USER))
        pods = informers.get(PODS)
        async with TaskGroup("test") as group:
            group.start(informers.run(), "informers")
            await informers.wait_synced()
            server.send("MODIFIED", pod("a", 15))
            await asyncio.sleep(400)
            server.end()
            await asyncio.sleep(1)
            assert server.requests[-1]["resourceVersion"] == "15"
            server.objects = [pod("a", 15), pod("c", 30)]
            server.version = 31
            server.send("ERROR", errors.expired("too old resource version").status())
            await asyncio.sleep(1)
            assert "sendInitialEvents" in server.requests[-1]
            assert "resourceVersion" not in server.requests[-1]
            group.cancel()
        assert sorted(names(pods.items())) == ["a", "c"]

    run(main)


def test_lists_where_the_server_has_no_watch_list() -> None:
    async def main(env: Env) -> None:
        server = Server(pod("a", 1), watch_list=False)
        informers = Informers(env, InProcess(server.handle, USER))
        pods = informers.get(PODS)
        async with TaskGroup("test") as group:
            group.start(informers.run(), "informers")
            await informers.wait_synced()
            await asyncio.sleep(1)
            assert server.requests[-1]["resourceVersion"] == "10"
            group.cancel()
        found = pods.find("ns", "a")
        assert found is not None
        assert found["kind"] == "Pod"  # list items do not say it themselves

    run(main)


def test_frozen_objects_refuse_changes() -> None:
    async def main(env: Env) -> None:
        server = Server(pod("a", 1, app="x"))
        informers = Informers(env, InProcess(server.handle, USER), frozen=True)
        pods = informers.get(PODS)
        async with TaskGroup("test") as group:
            group.start(informers.run(), "informers")
            await informers.wait_synced()
            group.cancel()
        found = pods.items()[0]
        with pytest.raises(TypeError, match="read-only"):
            found["metadata"]["labels"]["app"] = "y"
        assert orjson.loads(orjson.dumps(found)) == found

    run(main)
