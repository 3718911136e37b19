# SPDX-License-Identifier: Apache-2.0
"""Answers that were encoded before, forgotten when what they depend on changes."""

from collections.abc import Iterable

from pybernetes.dns.messages import Encoded


class Answers:
    """At most `limit`, by question. Tags name what an answer depends on; the oldest goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: dict[bytes, tuple[Encoded, tuple[str, ...]]] = {}
        self._tagged: dict[str, dict[bytes, None]] = {}

    def find(self, key: bytes) -> Encoded | None:
        found = self._answers.get(key)
        return found[0] if found is not None else None

    def put(self, key: bytes, answer: Encoded, tags: Iterable[str]) -> None:
        self._drop(key)
        if len(self._answers) >= self._limit:
            self._drop(next(iter(self._answers)))
        self._answers[key] = (answer, tuple(tags))
        for tag in tags:
            self._tagged.setdefault(tag, {})[key] = None

    def forget(self, tag: str) -> None:
        for key in list(self._tagged.get(tag, ())):
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        _, tags = self._answers.pop(key, (None, ()))
        for tag in tags:
            keys = self._tagged[tag]
            del keys[key]
            if not keys:
                del self._tagged[tag]
