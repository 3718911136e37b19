# SPDX-License-Identifier: Apache-2.0
"""Resource: one row of THE table (registry.py): where a kind is served, stored, and by which rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import GVK, GVR
from pybernetes.apis.kind import NO_RULES, Kind


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource as discovery lists it: its verbs, and its own kind (scale is autoscaling/v1)."""

    name: str
    verbs: tuple[str, ...]
    kind: GVK


@dataclass(frozen=True, slots=True)
class Resource:
    """One served (group, version, resource). Rows of one resource share storage and rules."""

    gvr: GVR
    kind: str
    singular: str
    namespaced: bool
    schema: Schema
    verbs: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    storage_version: str = ""  # the group's version in which objects are stored
    storage_group: str = ""  # differs from gvr.group only for events (stored in the core group)
    storage_prefix: str = ""  # upstream's key prefix with slashes: "/registry/minions/"
    ttl: int = 0  # seconds; events 3600
    rules: Kind = NO_RULES
    storage_version_hash: str = ""

    @property
    def gvk(self) -> GVK:
        return GVK(self.gvr.group, self.gvr.version, self.kind)
