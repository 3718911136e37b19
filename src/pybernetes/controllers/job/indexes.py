# SPDX-License-Identifier: Apache-2.0
"""Completion indexes: sets of numbers and their text ("1,3-5"), and the index of a pod. Pure."""

from collections.abc import Iterable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object

INDEX = "batch.kubernetes.io/job-completion-index"


def parse(text: str, limit: int) -> set[int]:
    """The numbers below `limit` that a text names; what cannot be read counts as nothing."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (not last or last.isdigit()):
            found.update(range(int(first), min(int(last or first) + 1, limit)))
    return {number for number in found if number < limit}


def render(numbers: Iterable[int]) -> str:
    """Three and more in a row are written as a range, two as a pair."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    texts = []
    for run in parts:
        if len(run) > 2:
            texts.append(f"{run[0]}-{run[-1]}")
        else:
            texts.extend(map(str, run))
    return ",".join(texts)


def index_of(pod: Object) -> int:
    """The pod's completion index; -1 if it has none."""
    text = meta.annotations(pod).get(INDEX, "")
    return int(text) if text.isdigit() else -1
