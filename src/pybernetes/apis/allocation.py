# SPDX-License-Identifier: Apache-2.0
"""resource.k8s.io, dynamic resource allocation: columns of its kinds."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, text
from pybernetes.apis.kind import Column, Kind


def _state(claim: Object, _: datetime.datetime) -> str:
    deleted = meta.is_deleting(claim)
    states = ["deleted"] if deleted else []
    if look(claim, "status", "allocation") is None:
        states += [] if deleted else ["pending"]
    else:
        states += ["allocated"] + (["reserved"] if look(claim, "status", "reservedFor") else [])
    return ",".join(states)


RESOURCE_CLAIM = Kind(columns=(NAME, Column("State", _state), AGE))
RESOURCE_SLICE = Kind(
    columns=(
        NAME,
        Column("Node", text("spec", "nodeName")),
        Column("Driver", text("spec", "driver")),
        Column("Pool", text("spec", "pool", "name")),
        AGE,
    ),
    fields=lambda obj: {
        "spec.nodeName": look(obj, "spec", "nodeName") or "",
        "spec.driver": look(obj, "spec", "driver") or "",
    },
    field_names=("spec.nodeName", "spec.driver"),
)
