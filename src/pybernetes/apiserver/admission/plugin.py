# SPDX-License-Identifier: Apache-2.0
"""Plugin: what every admission plugin starts from, and the words they share."""

from collections.abc import Iterable
from typing import ClassVar

from pybernetes.apimachinery import errors, meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.reading import Reader
from pybernetes.apiserver.types import AdmissionRequest, Authorizer, Operation
from pybernetes.base.env import Env


class Plugin:
    """Does nothing. `operations`, `resources` and `subresources` (None: all) say what it wants to
    see at all; "" is the object itself."""

    operations: ClassVar[frozenset[Operation]] = frozenset(("CREATE", "UPDATE"))
    resources: ClassVar[frozenset[str] | None] = None
    subresources: ClassVar[frozenset[str] | None] = frozenset(("",))

    def __init__(self, env: Env, reader: Reader, authorizer: Authorizer) -> None:
        self.env = env
        self.reader = reader
        self.authorizer = authorizer

    async def admit(self, request: AdmissionRequest) -> None:
        """Nothing to change."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Nothing to refuse."""


def forbidden(request: AdmissionRequest, detail: str) -> ApiError:
    """403 as admission words it; a generated name that is not known yet is its prefix."""
    metadata = meta.metadata(request.obj)
    name = request.name or metadata.get("name") or metadata.get("generateName") or ""
    gvr = request.resource.gvr
    return errors.forbidden(gvr.resource, gvr.group, name, detail)


def spec_of(obj: Object) -> Object:
    """The spec, made where it is missing, for changing in place."""
    spec: Object = obj.setdefault("spec", {})
    return spec


def default_class(classes: Iterable[Object], *annotations: str) -> str:
    """The newest class that one of `annotations` marks as default, then by name; "" without one."""
    found = [
        (meta.metadata(item).get("creationTimestamp") or "", meta.name(item))
        for item in classes
        if any(meta.annotations(item).get(key) == "true" for key in annotations)
    ]
    newest = max((created for created, _ in found), default="")
    return min((name for created, name in found if created == newest), default="")
