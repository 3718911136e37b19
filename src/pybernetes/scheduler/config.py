# SPDX-License-Identifier: Apache-2.0
"""What a scheduler can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pybernetes.scheduler.types import Plugin


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """`scheduler_name`: pods with this spec.schedulerName are ours.

    `plugins`: further plugins by name, added behind (or instead of) those of registry.py.
    Times in seconds; defaults are kube-scheduler's.
    """

    scheduler_name: str = "default-scheduler"
    initial_backoff: float = 1.0
    max_backoff: float = 10.0
    unschedulable_flush: float = 300.0
    batch: int = 256  # pods decided between two looks at the informers
    slice_seconds: float = 0.005  # the loop is yielded to at least this often
    bind_parallelism: int = 128
    plugins: Mapping[str, Plugin] = field(default_factory=dict)
