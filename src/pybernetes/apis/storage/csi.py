# SPDX-License-Identifier: Apache-2.0
"""The kinds of CSI drivers, which the API serves but nothing here drives: defaults and columns."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, Cell, count, look, optional, text
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Column, Kind


def _default_driver(driver: Object) -> None:
    spec: Object = driver.setdefault("spec", {})
    fill_missing(
        spec,
        {
            "attachRequired": True,
            "podInfoOnMount": False,
            "storageCapacity": False,
            "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "requiresRepublish": False,
            "seLinuxMount": False,
        },
    )
    fill(spec, {"volumeLifecycleModes": ["Persistent"]})


def _flag(*path: str, default: bool = False) -> Cell:
    def cell(obj: Object, _: datetime.datetime) -> bool:
        value = look(obj, *path)
        return default if value is None else bool(value)

    return cell


def _tokens(driver: Object, _: datetime.datetime) -> str:
    requests = look(driver, "spec", "tokenRequests")
    if requests is None:
        return "<unset>"
    return ",".join(request.get("audience") or "" for request in requests)


CSI_DRIVER = Kind(
    default=_default_driver,
    unconditional_update=False,
    columns=(
        NAME,
        Column("AttachRequired", _flag("spec", "attachRequired", default=True), type="boolean"),
        Column("PodInfoOnMount", _flag("spec", "podInfoOnMount"), type="boolean"),
        Column("StorageCapacity", _flag("spec", "storageCapacity"), type="boolean"),
        Column("TokenRequests", _tokens),
        Column("RequiresRepublish", _flag("spec", "requiresRepublish"), type="boolean"),
        Column(
            "Modes",
            lambda obj, _: ",".join(look(obj, "spec", "volumeLifecycleModes") or ()) or "<none>",
        ),
        AGE,
    ),
)
CSI_NODE = Kind(
    unconditional_update=False,
    columns=(NAME, Column("Drivers", count("spec", "drivers"), type="integer"), AGE),
)
CSI_STORAGE_CAPACITY = Kind(
    unconditional_update=False,
    columns=(
        NAME,
        Column("StorageClassName", text("storageClassName")),
        Column("Capacity", optional("capacity")),
    ),
)
VOLUME_ATTACHMENT = Kind(
    unconditional_update=False,
    columns=(
        NAME,
        Column("Attacher", text("spec", "attacher"), format="name"),
        Column("PV", text("spec", "source", "persistentVolumeName")),
        Column("Node", text("spec", "nodeName")),
        Column("Attached", _flag("status", "attached"), type="boolean"),
        AGE,
    ),
)
VOLUME_ATTRIBUTES_CLASS = Kind(columns=(NAME, Column("DriverName", text("driverName")), AGE))
