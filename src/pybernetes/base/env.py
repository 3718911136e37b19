# SPDX-License-Identifier: Apache-2.0
"""What is handed to every component instead of being reached for: time, randomness, threads, metrics."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from pybernetes.base.clock import Clock
from pybernetes.base.offload import Offload, Threads
from pybernetes.base.random import Random


@dataclass(frozen=True, slots=True)
class Env:
    """The surroundings of one process, or of one simulated cluster."""

    clock: Clock = field(default_factory=Clock)
    random: Random = field(default_factory=Random)
    offload: Offload = field(default_factory=Threads)
    metrics: CollectorRegistry = field(
        default_factory=lambda: CollectorRegistry(auto_describe=False)
    )
