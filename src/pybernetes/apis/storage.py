# SPDX-License-Identifier: Apache-2.0
"""storage.k8s.io: StorageClass, and the kinds of CSI drivers (which nothing here drives)."""

from pybernetes.apimachinery.field import too_long
from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part


def lower_name(name: str) -> list[str]:
    return qualified_name(name.lower())


def validate_class(part: Part) -> None:
    parameters = part.get("parameters") or {}
    if len(parameters) > 512:
        part.errors.append(too_long("parameters", 512))
    if "" in parameters:
        part.invalid("parameters", "", "field can not be empty.")
    if sum(len(key) + len(value) for key, value in parameters.items()) > 256 * 1024:
        part.errors.append(too_long("parameters", 256 * 1024))
