# SPDX-License-Identifier: Apache-2.0
"""resource.k8s.io, dynamic resource allocation: cells of its kinds."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look


def state(claim: Object, _: datetime.datetime) -> str:
    deleted = meta.is_deleting(claim)
    states = ["deleted"] if deleted else []
    if look(claim, "status", "allocation") is None:
        states += [] if deleted else ["pending"]
    else:
        states += ["allocated"] + (["reserved"] if look(claim, "status", "reservedFor") else [])
    return ",".join(states)
