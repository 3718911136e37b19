# SPDX-License-Identifier: Apache-2.0
"""The watch cache: indexes, recent events, catching up, shared encodings."""

from pybernetes.apimachinery.selectors import FieldTerm
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import EVERYTHING, Selection
from pybernetes.apiserver.cache.resource import ResourceCache
from pybernetes.apiserver.cache.watchers import Watcher
from pybernetes.storage.types import Change, Record

PREFIX = "/registry/pods/"


def record(key, revision, node="n1"):
    name = key.rpartition("/")[2]
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"n": node}}
    return Record(PREFIX + key, codec.stored(pod), revision, revision)


def put(cache, key, revision, node="n1"):
    cache.apply(Change(PREFIX + key, revision, record(key, revision, node), None))


def fields(obj):
    return {"spec.n": obj["spec"]["n"]}


def on(node):
    return Selection(terms=(FieldTerm("spec.n", "=", node),), exact=("field", "spec.n", node))


def made():
    cache = ResourceCache(PREFIX, fields, history=3)
    cache.load([record("b/x", 3), record("a/y", 4), record("a-b/z", 5)], 5)
    return cache


def test_order_and_ranges_are_those_of_the_keys():
    cache = made()
    assert [e.key for e in cache.select("", EVERYTHING)] == ["a-b/z", "a/y", "b/x"]
    assert [e.key for e in cache.select("a", EVERYTHING)] == ["a/y"]
    page, rest = cache.page("", "a/", 1)
    assert ([e.key for e in page], rest) == (["a/y"], 1)


def test_an_index_follows_changes():
    cache = made()
    assert len(cache.select("", on("n1"))) == 3
    put(cache, "b/x", 6, "n2")
    assert [e.key for e in cache.select("", on("n2"))] == ["b/x"]
    cache.apply(Change(PREFIX + "b/x", 7, None, None))
    assert cache.select("", on("n2")) == []


def test_recent_events_are_kept_and_older_ones_known_to_be_lost():
    cache = made()
    for revision in (6, 7, 8, 9):
        put(cache, "b/x", revision)
    assert [event.revision for event in cache.since(7)] == [8, 9]
    assert cache.floor == 6


def test_a_new_listing_is_caught_up_with_as_events():
    cache = made()
    watcher = Watcher("", EVERYTHING, 10)
    cache.watchers.add(watcher)
    cache.load([record("a/y", 8), record("a-b/z", 5), record("c/new", 7)], 9)
    seen = [(kind, event.revision) for kind, event in watcher.queue]
    assert seen == [("ADDED", 7), ("MODIFIED", 8), ("DELETED", 9)]
    assert cache.keys == ["a-b/z", "a/y", "c/new"]


def test_a_watcher_hears_only_of_its_bucket():
    cache = made()
    mine, other = Watcher("", on("n1"), 10), Watcher("", on("n9"), 10)
    cache.watchers.add(mine)
    cache.watchers.add(other)
    put(cache, "b/x", 6, "n2")
    assert [kind for kind, _ in mine.queue] == ["DELETED"]
    assert not other.queue
    gone = mine.queue[0][1].gone()
    assert codec.decode_tail(gone.tail)["metadata"]["resourceVersion"] == "6"
    assert codec.decode_tail(gone.tail)["spec"] == {"n": "n1"}
    cache.watchers.remove(mine)
    cache.watchers.remove(other)
    assert len(cache.watchers) == 0


def test_a_foreign_value_is_put_in_order():
    value = b'{"metadata":{"name":"x"},"spec":{},"apiVersion":"v1","kind":"Pod"}'
    assert codec.tail_of(value, 7) == b'"metadata":{"resourceVersion":"7","name":"x"},"spec":{}}'
