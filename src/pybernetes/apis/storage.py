# SPDX-License-Identifier: Apache-2.0
"""storage.k8s.io: StorageClass, and the kinds of CSI drivers (which nothing here drives)."""

import datetime

from pybernetes.apimachinery.field import too_long
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, Cell, count, look, optional, text
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part, creating, updating


def _class(part: Part) -> None:
    part.need_rule("provisioner", lambda name: qualified_name(name.lower()))
    parameters = part.get("parameters") or {}
    if len(parameters) > 512:
        part.errors.append(too_long("parameters", 512))
    if "" in parameters:
        part.invalid("parameters", "", "field can not be empty.")
    if sum(len(key) + len(value) for key, value in parameters.items()) > 256 * 1024:
        part.errors.append(too_long("parameters", 256 * 1024))
    if part.get("reclaimPolicy"):
        part.choice("reclaimPolicy", ["Delete", "Retain"])
    part.need_choice("volumeBindingMode", ["Immediate", "WaitForFirstConsumer"])


STORAGE_CLASS = Kind(
    default=lambda class_: fill_missing(
        class_, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    ),
    validate_create=creating(_class),
    validate_update=updating(
        None, "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"
    ),
    columns=(
        NAME,
        Column("Provisioner", text("provisioner")),
        Column("ReclaimPolicy", text("reclaimPolicy", empty="Delete")),
        Column("VolumeBindingMode", text("volumeBindingMode", empty="Immediate")),
        Column("AllowVolumeExpansion", lambda obj, _: bool(obj.get("allowVolumeExpansion"))),
        AGE,
    ),
)


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
