# SPDX-License-Identifier: Apache-2.0
"""Random sources, back-off, values that expire."""

import uuid
from types import SimpleNamespace

from pybernetes.base.backoff import Backoff
from pybernetes.base.expiring import Expiring
from pybernetes.base.random import SUFFIX_ALPHABET, Random


def test_a_seed_repeats_and_children_do_not_disturb_each_other() -> None:
    one, two = Random(1), Random(1)
    assert [one.uuid(), one.suffix(), one.uniform(0, 9), one.below(9)] == [
        two.uuid(),
        two.suffix(),
        two.uniform(0, 9),
        two.below(9),
    ]
    left, right = Random(1), Random(1)
    first, second = left.child("a"), right.child("a")
    first.uuid()  # one draw more than its twin
    assert left.child("b").uuid() == right.child("b").uuid()
    assert second.uuid() == Random(1).child("a").uuid()
    assert Random().uuid() != Random().uuid()


def test_shapes() -> None:
    draw = Random(3)
    assert uuid.UUID(draw.uuid()).version == 4
    assert len(draw.suffix()) == 5
    assert set(draw.suffix(50)) <= set(SUFFIX_ALPHABET)
    assert all(10 <= draw.jitter(10, 0.5) < 15 for _ in range(100))


def test_backoff_doubles_up_to_its_maximum_for_each_key() -> None:
    backoff = Backoff(0.005, 1.0)
    assert [backoff.next("a") for _ in range(9)] == [0.005 * 2**n for n in range(8)] + [1.0]
    assert backoff.next("b") == 0.005
    assert backoff.failures("a") == 9
    backoff.forget("a")
    assert backoff.next("a") == 0.005
    for _ in range(2000):
        assert backoff.next("c") <= 1.0


def test_values_expire_and_the_oldest_make_room() -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    cache: Expiring[str, int] = Expiring(clock, 2)  # type: ignore[arg-type]
    assert cache.put("a", 1, 10.0) == 1
    clock.now = 5.0
    cache.put("b", 2, 10.0)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, 2, None)
    cache.put("a", 3, 10.0)  # is the newest now
    cache.put("c", 4, 10.0)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (3, None, 4)
    clock.now = 15.0
    assert cache.get("a") is None
    cache.put("d", 5, 1.0)
    assert list(cache._known) == ["d"]
