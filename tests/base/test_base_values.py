# SPDX-License-Identifier: Apache-2.0
"""Random sources and back-off."""

import uuid

from pybernetes.base.backoff import Backoff
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
