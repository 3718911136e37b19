# SPDX-License-Identifier: Apache-2.0
"""Health checks, limits, timeouts, and what is asked of a server that is busy or broken."""

import asyncio

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.cache.feed import Feed
from pybernetes.apiserver.chain import Chain
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.endpoints.health import Health
from pybernetes.apiserver.filters.inflight import MaxInFlight
from pybernetes.apiserver.resources import Resources
from pybernetes.base.env import Env
from pybernetes.storage.memory import MemoryStore
from pybernetes.wire.types import Request, Response


def core(**config):
    env = Env()
    store = MemoryStore(env)
    feed = Feed(store)
    return Core(env, Config(**config), store, feed, Resources(feed))


def context(path, query="", method="GET"):
    return Context(Request(method, path, path, query), core())


def test_checks_are_named_and_can_be_excluded():
    broken = {"poststarthook/x": lambda: "not finished"}
    health = Health({"etcd": lambda: ""}, broken)
    assert health(context("/livez")).body == b"ok"
    assert health(context("/readyz")).status == 500
    shown = health(context("/readyz", "verbose")).body.decode()
    assert "[+]etcd ok" in shown
    assert "[-]poststarthook/x failed: reason withheld" in shown
    assert health(context("/readyz", "exclude=poststarthook/x")).status == 200
    assert health(context("/readyz/poststarthook/x")).status == 500
    assert health(context("/readyz/nothing")) is None


def chain(filters, dispatch, **config):
    return Chain(filters, dispatch, core(**config))


async def test_too_many_requests_are_turned_away():
    gate = asyncio.Event()

    async def slow(ctx):
        await gate.wait()
        return Response()

    limit = MaxInFlight(Config(max_requests_inflight=2))
    handle = chain((limit,), slow).handle
    request = Request("GET", "/api/v1/pods", "/api/v1/pods")
    waiting = [asyncio.ensure_future(handle(request)) for _ in range(2)]
    refused = handle(request)
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (429, "1")
    gate.set()
    assert [reply.status for reply in await asyncio.gather(*waiting)] == [200, 200]
    assert limit.now == {"read": 0, "write": 0}


async def test_a_request_that_takes_too_long_is_ended():
    async def never(ctx):
        await asyncio.Event().wait()

    handle = chain((), never, request_timeout=0.01).handle
    assert (await handle(Request("GET", "/api/v1/pods", "/api/v1/pods"))).status == 504


async def test_a_bug_is_a_500_with_a_status():
    def broken(ctx):
        raise KeyError("x")

    reply = chain((), broken).handle(Request("GET", "/x", "/x"))
    assert reply.status == 500
    assert b'"reason":"InternalError"' in reply.body


async def test_impersonation_and_unknown_callers(call):
    names = "/api/v1/namespaces"
    refused = await call("GET", names, expect=403, impersonate_user="jane")
    assert 'User "jane" cannot list resource "namespaces"' in refused["message"]
    call.user = User("jane", ())
    refused = await call("GET", names, expect=403, impersonate_user="root")
    assert 'cannot impersonate resource "users"' in refused["message"]
    call.user = None
    assert (await call("GET", names, expect=403))["message"].count("system:anonymous") == 1


async def test_a_body_that_is_too_large_is_refused(start):
    call = await start(Config(max_request_body_bytes=100))
    body = {"metadata": {"name": "a"}, "data": {"x": "y" * 100}}
    await call("POST", "/api/v1/namespaces/default/configmaps", body, expect=413)


async def test_what_is_stored_but_not_acted_on_says_so(call):
    path = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
    spec = {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0}}
    reply = await call.reply("POST", path, {"metadata": {"name": "p"}, "spec": spec})
    assert reply.status == 201, reply.body
    assert any("is stored but not acted on" in text for _, text in reply.headers)


async def test_a_full_quota_is_an_alarm_until_there_is_room(start):
    """Deleting works meanwhile and does not end it; a write that fits does, by itself."""
    store = MemoryStore(Env())
    call = await start(store=store)
    names = "/api/v1/namespaces/default/configmaps"

    async def shown(path):
        return (await call.reply("GET", path)).body.decode()

    for name in ("a", "b"):
        await call("POST", names, {"metadata": {"name": name}, "data": {"x": "x" * 10_000}})
    store._quota = await store.size() - 5_000
    big = {"metadata": {"name": "c"}, "data": {"x": "x"}}
    failed = await call("POST", names, big, expect=500)
    assert "database space exceeded" in failed["message"]
    assert "[-]etcd-readiness" in await shown("/readyz")
    await call("DELETE", f"{names}/nothing", expect=404)
    store._quota -= 10_000
    await call("DELETE", f"{names}/a")
    assert "[-]etcd-readiness" in await shown("/readyz")
    await asyncio.sleep(1.1)
    assert "pybernetes_store_refuses_writes 1.0" in await shown("/metrics")
    await call("DELETE", f"{names}/b")
    await asyncio.sleep(2.1)
    assert await shown("/readyz") == "ok"
    metrics = await shown("/metrics")
    assert "pybernetes_store_refuses_writes 0.0" in metrics
    assert 'apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}' in metrics
    await call("POST", names, big)
