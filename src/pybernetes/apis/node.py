# SPDX-License-Identifier: Apache-2.0
"""node.k8s.io: RuntimeClass: which handler of the container runtime runs a pod."""

from pybernetes.apis.columns import AGE, NAME, text
from pybernetes.apis.core.podspec.resources import validate_resources
from pybernetes.apis.core.taints import validate_tolerations
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_labels
from pybernetes.apis.validation.names import dns1123_label
from pybernetes.apis.validation.part import Part, creating, updating


def _class(part: Part) -> None:
    part.need_rule("handler", dns1123_label)
    amounts = (part.get("overhead") or {}).get("podFixed")
    validate_resources(Part({"limits": amounts}, "overhead", part.errors))
    validate_labels(part.child("scheduling"), "nodeSelector")
    validate_tolerations(part.child("scheduling"))


RUNTIME_CLASS = Kind(
    validate_create=creating(_class),
    validate_update=updating(None, "handler"),
    create_on_update=True,
    unconditional_update=False,
    columns=(NAME, Column("Handler", text("handler")), AGE),
)
