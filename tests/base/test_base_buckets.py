# SPDX-License-Identifier: Apache-2.0
"""Buckets against a plain model: copies and originals never see one another's changes."""

from hypothesis import given
from hypothesis import strategies as st

from pybernetes.base.buckets import Buckets

VALUES, KEYS = st.sampled_from("abc"), st.integers(0, 4)
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "discard", "copy"]), VALUES, KEYS, st.integers())
)


@given(STEPS)
def test_every_copy_is_as_if_it_were_alone(steps: list[tuple[str, str, int, int]]) -> None:
    family: list[tuple[Buckets[int], dict[str, list[int]]]] = [(Buckets(), {})]
    for what, value, key, which in steps:
        buckets, model = family[which % len(family)]
        if what == "copy":
            family.append((buckets.copy(), {name: list(keys) for name, keys in model.items()}))
            continue
        keys = model.setdefault(value, [])
        if what == "add" and key not in keys:
            keys.append(key)
        if what == "discard" and key in keys:
            keys.remove(key)
        getattr(buckets, what)(value, key)
    for buckets, model in family:
        assert {value: list(buckets.get(value)) for value in "abc"} == {
            value: model.get(value, []) for value in "abc"
        }
        assert all(buckets._keys.values())


def test_a_copy_shares_until_a_change() -> None:
    buckets: Buckets[int] = Buckets()
    for key in range(10):
        buckets.add("a", key)
        buckets.add("b", key)
    copy = buckets.copy()
    assert copy.get("a") is buckets.get("a")
    copy.add("a", 10)
    assert copy.get("a") is not buckets.get("a")
    assert copy.get("b") is buckets.get("b")
