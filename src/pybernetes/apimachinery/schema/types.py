# SPDX-License-Identifier: Apache-2.0
"""Schema: one node of a type's tree. Built-in kinds and CRDs are described by the same nodes.

Nodes of built-in types are shared and may be recursive (JSONSchemaProps refers to itself), so a
property's schema is reached through `Schema.properties[name]`, which never changes after loading.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Type = Literal["object", "map", "array", "string", "integer", "number", "boolean", "any"]
"""object: named properties · map: any key, one value schema · any: no rule (RawExtension, JSON)."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Schema:
    """One node. `format` is OpenAPI's plus ours: int32, int64, double, byte, date-time,
    int-or-string, quantity.

    List and map semantics steer server-side apply; `patch_strategy` and `patch_merge_key` steer
    strategic merge patch ("" where upstream declares none).
    """

    type: Type = "any"
    format: str = ""
    name: str = ""  # of a built-in type: io.k8s.api.core.v1.PodSpec
    properties: dict[str, "Schema"] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    items: "Schema | None" = None  # of an array
    values: "Schema | None" = None  # of a map
    default: Any = None  # None: no default (upstream has no null defaults); never changed in place
    preserve_unknown: bool = False
    list_type: Literal["", "atomic", "set", "map"] = ""
    list_keys: tuple[str, ...] = ()
    map_type: Literal["", "atomic", "granular"] = ""
    patch_strategy: str = ""  # e.g. "merge", "replace", "retainKeys", "merge,retainKeys"
    patch_merge_key: str = ""
    omit_zero: bool = False  # of a built-in field: an empty value is the same as none (omitempty)
    go_type: str = (
        ""  # of a named scalar of a built-in type, as decode errors print it: v1.PullPolicy
    )
