# SPDX-License-Identifier: Apache-2.0
"""The etcd store beyond the common suite: shared by processes, lost members, quota, TLS, offsets."""

import asyncio
import contextlib
import datetime
import ipaddress
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, gather_ordered
from pybernetes.storage import snapshot
from pybernetes.storage.etcd import EtcdConfig, EtcdStore
from pybernetes.storage.etcd.client import message
from pybernetes.storage.etcd.names import Names
from pybernetes.storage.etcd.stream import Stream
from pybernetes.storage.types import (
    Change,
    Compacted,
    Conflict,
    NoSpace,
    Op,
    StoreError,
    Unavailable,
)
from pybernetes.testing.stores import changes_until, keys_of
from tests.ports import free_port
from tests.storage.etcds import Member, three

_numbers = itertools.count()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Member]]:
    """Three members."""
    members = three(tmp_path, getattr(request, "param", "3.6"))
    yield members
    for member in members:
        member.kill()


@contextlib.asynccontextmanager
async def opened(*urls: str, prefix: str = "", **more: Any) -> AsyncIterator[EtcdStore]:
    env = Env()
    prefix = prefix or f"/e{next(_numbers)}/"
    config = EtcdConfig(urls, prefix=prefix, root="/", **more)
    store = await EtcdStore.open(env, config)
    try:
        yield store
    finally:
        await store.close()
        env.offload.close()


@pytest.fixture(params=["3.6", "3.4"])
def member(request: pytest.FixtureRequest) -> Member:
    found: Member = request.getfixturevalue("etcd" + request.param.replace(".", ""))
    return found


async def test_two_processes_see_each_others_writes_in_one_order(member: Member) -> None:
    async with opened(member.url, prefix="/two/") as one, opened(member.url, prefix="/two/") as two:
        start = one.revision

        async def write(store: EtcdStore, name: str) -> None:
            for index in range(30):
                await store.write([Op(f"/{name}", str(index).encode())])

        watches = [one.watch("/", start), two.watch("/", start)]
        await gather_ordered([write(one, "a"), write(two, "b"), write(one, "c")])
        last = max(await one.current(), await two.current())
        stories = await gather_ordered([changes_until(watch, last) for watch in watches])
        assert stories[0] == stories[1]
        assert [change.revision for change in stories[0]] == list(range(start + 1, start + 91))
        for watch in watches:
            watch.close()


async def test_current_is_reached_by_the_watch(member: Member) -> None:
    """What another process wrote before the question is in this one's watch when it is answered."""
    async with opened(member.url, prefix="/now/") as one, opened(member.url, prefix="/now/") as two:
        for index in range(50):
            at = await one.write([Op("/a", str(index).encode())])
            now = await gather_ordered([two.current() for _ in range(10)])
            assert min(now) >= at
            assert two.revision >= at


async def test_current_counts_what_others_write_elsewhere(member: Member) -> None:
    """Revisions of other prefixes come as progress, on old members as events that are left out."""
    async with opened(member.url) as one, opened(member.url) as other:
        watch = one.watch("/", one.revision)
        batches = aiter(watch)
        at = await other.write([Op("/x", b"1")])
        assert await one.current() >= at
        async with asyncio.timeout(5):
            assert list(await anext(batches)) == []  # progress
        assert watch.revision >= at
        assert await keys_of(one, "/") == []
        watch.close()


async def test_a_conflict_is_known_to_the_watch_when_it_is_raised(member: Member) -> None:
    async with opened(member.url, prefix="/con/") as one, opened(member.url, prefix="/con/") as two:
        for index in range(20):
            at = await one.write([Op(f"/{index}", b"1")])
            with pytest.raises(Conflict) as caught:
                await two.write([Op(f"/{index}", b"2", expected=0)])
            assert caught.value.current is not None
            assert caught.value.current.revision == at <= two.revision


async def test_compaction_by_others(member: Member) -> None:
    async with opened(member.url, prefix="/by/") as one, opened(member.url, prefix="/by/") as two:
        early = await one.write([Op("/a", b"1")])
        for index in range(10):
            await one.write([Op("/a", str(index).encode())])
        gone = await one.write([Op("/a", None)])
        await two.current()
        await one.compact(gone)
        with pytest.raises(Compacted) as caught:
            await anext(aiter(two.watch("/", early)))
        assert caught.value.floor == gone == two.floor
        with pytest.raises(Compacted):
            await two.get("/a", early)
        watch = two.watch("/", gone)
        at = await one.write([Op("/a", b"new")])
        assert [change.revision for change in await changes_until(watch, at)] == [at]
        watch.close()
        async with opened(member.url, prefix="/by/") as three_:
            assert three_.floor == gone


async def test_events_share_leases(member: Member) -> None:
    async with opened(member.url) as store:
        for index in range(20):
            await store.write([Op(f"/{index}", b"", ttl=3600)])
        answer = await store._client.call("Lease", "LeaseLeases")
        long = []
        for lease in answer.leases:
            left = await store._client.call("Lease", "LeaseTimeToLive", ID=lease.ID)
            long += [lease.ID] if left.TTL > 3000 else []
        assert len(long) == 1
        await store._client.call("Lease", "LeaseRevoke", ID=long[0])
        assert await keys_of(store, "/") == []
        await store.write([Op("/more", b"", ttl=3600)])  # a new lease in place of the lost one
        assert await keys_of(store, "/") == ["/more"]


async def test_deadlines_are_in_snapshots(member: Member, tmp_path: Path) -> None:
    async with opened(member.url) as store:
        at = await store.write([Op("/event", b"1", ttl=3600), Op("/pod", b"2")])
        await store.snapshot(str(tmp_path / "copy"))
    content = snapshot.read(tmp_path / "copy")
    assert content.revision == at
    ((moment, key, revision),) = content.deadlines
    assert (key, revision) == ("/event", at)
    assert 3500 < moment - Env().clock.time() < 3800


async def test_long_listings_come_in_pages(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pybernetes.storage.etcd.driver.PAGE", 7)
    async with opened(member.url) as store:
        for index in range(50):
            await store.write([Op(f"/{index:02}", b"")])
        assert await keys_of(store, "/") == [f"/{index:02}" for index in range(50)]
        page = await store.list("/", start="/10", limit=10)
        assert ([r.key for r in page.records][-1], page.remaining) == ("/19", 30)


async def test_a_listing_of_now_is_never_compacted(
    etcd36: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others compact while its pages are read: it begins again."""
    monkeypatch.setattr("pybernetes.storage.etcd.driver.PAGE", 7)
    async with opened(etcd36.url) as store:
        names = [f"/{index:02}" for index in range(30)]
        await store.write([Op(name, b"0") for name in names])
        read, compactions = store._range, iter(range(3))

        async def page(*span: Any, **more: Any) -> Any:
            if more["revision"] and next(compactions, None) is not None:
                await store.compact(await store.write([Op("/00", b"1")]))
            return await read(*span, **more)

        monkeypatch.setattr(store, "_range", page)
        assert await keys_of(store, "/") == names
        assert next(compactions, None) is None


async def test_too_many_operations_are_refused_by_name(etcd36: Member) -> None:
    async with opened(etcd36.url) as store:
        with pytest.raises(StoreError, match="--max-txn-ops"):
            await store.write([Op(f"/{index}", b"") for index in range(200)])


@pytest.mark.parametrize("size", [1_600_000, 3_000_000])
async def test_a_value_too_large_is_refused_by_name(member: Member, size: int) -> None:
    """Neither limit of etcd's is taken for a member that is unwell."""
    async with opened(member.url) as store:
        with pytest.raises(StoreError, match="--max-request-bytes") as caught:
            await store.write([Op("/large", b"x" * size)])
        assert not isinstance(caught.value, Unavailable)
        await store.write([Op("/small", b"x")])


async def test_closing_while_somebody_waits(member: Member) -> None:
    """They get Unavailable, and are not cancelled."""
    async with opened(member.url) as store:
        waiting = asyncio.get_running_loop().create_task(store._reach(store.revision + 1_000_000))
        await asyncio.sleep(0.05)
        await store.close()
        with pytest.raises(Unavailable):
            await waiting


async def _fill(store: EtcdStore) -> None:
    for index in range(100):
        await store.write([Op(f"/{index}", b"x" * 100_000)])


async def test_a_full_quota_refuses_writes_and_recovers(tmp_path: Path) -> None:
    member = Member(tmp_path, words=("--quota-backend-bytes", str(4 << 20))).start()
    try:
        async with opened(member.url) as store:
            with pytest.raises(NoSpace, match="database space exceeded"):
                await _fill(store)
            kept = await keys_of(store, "/")
            assert kept
            for key in kept:
                await store.write([Op(key, None)])
            at = store.revision
            await store._client.call("KV", "Compact", revision=at, physical=True)
            await store._client.call("Maintenance", "Defragment", timeout=10)
            status = await store._client.call("Maintenance", "Status")
            mine = status.header.member_id
            await store._client.call("Maintenance", "Alarm", action=2, alarm=1, memberID=mine)
            await store.write([Op("/again", b"x" * 100_000)])
            assert await keys_of(store, "/") == ["/again"]
    finally:
        member.kill()


async def _acknowledged(store: EtcdStore, name: int, done: Callable[[], bool]) -> list[str]:
    """Keys whose creation was acknowledged; where that is not known, another key is next."""
    found = []
    for index in itertools.count():
        if done():
            return found
        try:
            await store.write([Op(f"/{name}/{index}", b"x", expected=0)])
            found.append(f"/{name}/{index}")
        except Unavailable:
            await asyncio.sleep(0.01)
    return found


async def _leader(store: EtcdStore, members: list[Member]) -> Member:
    for member in members:
        if member.process is not None:
            async with opened(member.url) as one:
                status = await one._client.call("Maintenance", "Status")
                if status.leader == status.header.member_id:
                    return member
    raise AssertionError("no leader")


async def _wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("cluster", ["3.6", "3.4"], indirect=True)
async def test_a_lost_member_and_a_new_leader_lose_nothing(cluster: list[Member]) -> None:
    """The leader is killed, twice; writers and the watch go on."""
    async with opened(*(member.url for member in cluster)) as store:
        over = False
        watch = store.watch("/", store.revision)
        story: list[Change] = []

        async def follow() -> None:
            async for batch in watch:
                story.extend(batch)

        async with TaskGroup("test") as group:
            group.start(follow(), "follow")
            names = range(5)
            writers = [group.start(_acknowledged(store, n, lambda: over), str(n)) for n in names]
            await asyncio.sleep(0.3)
            for _ in range(2):
                lost = await _leader(store, cluster)
                lost.kill()
                before = store.revision
                await _wait(lambda before=before: store.revision > before + 50)  # type: ignore[misc]
                lost.start()
            over = True
            await _wait(lambda: all(writer.done() for writer in writers))
            last = await store.current()
            await _wait(lambda: watch.revision >= last)
            watch.close()
        acknowledged = {key for writer in writers for key in writer.result()}
        assert len(acknowledged) > 100
        there = (await store.list("/")).records
        assert acknowledged <= {record.key for record in there}
        assert [change.record for change in story] == sorted(there, key=lambda r: r.revision)


async def test_a_member_that_hangs_is_left(cluster: list[Member]) -> None:
    async with opened(*(member.url for member in cluster)) as store:
        await store.write([Op("/a", b"1")])
        cluster[0].pause()
        at = 0
        async with asyncio.timeout(30):
            while not at:
                with contextlib.suppress(Unavailable):
                    at = await store.write([Op("/a", b"2")])
        assert store.revision >= at
        assert store._client.endpoint != cluster[0].url
        cluster[0].resume()


async def test_no_member_answers() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pybernetes.storage.etcd.client.PATIENCE", 0.3)
        with pytest.raises(Unavailable, match=r"etcd http://127\.0\.0\.1:"):
            await EtcdStore.open(Env(), EtcdConfig((f"http://127.0.0.1:{free_port()}",)))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (EtcdConfig(()), "--etcd-servers"),
        (EtcdConfig(("127.0.0.1:2379",)), "--etcd-servers"),
        (EtcdConfig(("http://a:1", "https://b:1")), "all with https"),
        (EtcdConfig(("http://a",)), "with a port"),
        (EtcdConfig(("http://a:1",), cafile="ca"), "need https"),
        (EtcdConfig(("https://a:1",), certfile="c"), "belong together"),
        (EtcdConfig(("https://a:1",), prefix="/"), "--etcd-prefix"),
        (EtcdConfig(("https://a:1",), cafile="/none/ca.pem"), "/none/ca.pem: No such file"),
    ],
)
async def test_settings_that_cannot_work(config: EtcdConfig, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        await EtcdStore.open(Env(), config)


def test_not_on_virtual_time() -> None:
    async def main(env: Env) -> None:
        await EtcdStore.open(env, EtcdConfig(("http://127.0.0.1:1",)))

    with pytest.raises(StoreError, match="virtual time"):
        virtualtime.run(main)


def _certificate(folder: Path, name: str, signer: str = "") -> None:
    """NAME.pem and NAME-key.pem, signed by `signer` (itself: a CA)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer, signing = subject, key
    if signer:
        issuer = x509.load_pem_x509_certificate((folder / f"{signer}.pem").read_bytes()).subject
        loaded = serialization.load_pem_private_key(
            (folder / f"{signer}-key.pem").read_bytes(), None
        )
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signing = loaded
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(not signer, None), True)
        .sign(signing, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}-key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


async def test_tls_with_client_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _certificate(tmp_path, "ca")
    _certificate(tmp_path, "server", "ca")
    _certificate(tmp_path, "client", "ca")

    def file(name: str) -> str:
        return str(tmp_path / name)

    words = ("--client-cert-auth", "--trusted-ca-file", file("ca.pem"))
    words += ("--cert-file", file("server.pem"), "--key-file", file("server-key.pem"))
    member = Member(tmp_path, scheme="https", words=words).start()
    try:
        files = {
            "cafile": file("ca.pem"),
            "certfile": file("client.pem"),
            "keyfile": file("client-key.pem"),
        }
        async with opened(member.url, **files) as store:
            at = await store.write([Op("/a", b"1")])
            assert [c.revision for c in await changes_until(store.watch("/", at - 1), at)] == [at]
        monkeypatch.setattr("pybernetes.storage.etcd.client.PATIENCE", 0.3)
        with pytest.raises(Unavailable):
            async with opened(member.url, cafile=file("ca.pem")):
                pass
    finally:
        member.kill()


class Silent:
    """A member's watch call that says what it is told to."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.written: list[Any] = []

    async def sound_progress(self, endpoint: str) -> bool:
        return True

    endpoint = "http://a:1"

    def stream(self, endpoint: str) -> "Silent":
        return self

    async def write(self, request: Any) -> None:
        self.written.append(request)

    async def read(self) -> Any:
        return await self.answers.get()

    def cancel(self) -> None:
        pass


async def test_no_progress_is_asked_for_before_the_watch_is_announced() -> None:
    """etcd holds events back until then, but not progress, which would run ahead of them."""
    member = Silent()
    stream = Stream(member, Names("/", "/x/"), "/", 5)  # type: ignore[arg-type]
    batches = stream.batches()
    first = asyncio.get_running_loop().create_task(anext(batches))
    await asyncio.sleep(0.01)
    await stream.nudge()
    assert len(member.written) == 1
    member.answers.put_nowait(message("WatchResponse")(created=True))
    await asyncio.sleep(0.01)
    await stream.nudge()
    assert [request.WhichOneof("request_union") for request in member.written] == [
        "create_request",
        "progress_request",
    ]
    member.answers.put_nowait(message("WatchResponse")(header={"revision": 9}))
    assert await first == ([], 9)
    await batches.aclose()
