# SPDX-License-Identifier: Apache-2.0
"""The seeded source of everything that may be guessed: UIDs, name suffixes, jitter, tie-breaks.

Keys and tokens never come from here; they come from the operating system (base.tls).
"""

import random

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # upstream's utilrand: no vowels, no look-alikes


class Random(random.Random):
    """A repeatable random source. `Random(None)` is seeded by the operating system."""

    def child(self, name: str) -> "Random":
        """An independent source for one component, so that one's draws never shift another's."""
        return Random(f"{self.getrandbits(64)}/{name}")

    def uuid(self) -> str:
        """A version 4 UUID, as used for metadata.uid."""
        text = f"{self.getrandbits(128):032x}"
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"

    def suffix(self, length: int = 5) -> str:
        """A name suffix as upstream's generateName makes them."""
        return "".join(self.choices(SUFFIX_ALPHABET, k=length))

    def jitter(self, value: float, factor: float) -> float:
        """`value` lengthened by up to `factor` of itself (upstream's wait.Jitter)."""
        return value * (1.0 + self.random() * factor)

    def below(self, limit: int) -> int:
        """An integer in [0, limit)."""
        return self.randrange(limit)
