# SPDX-License-Identifier: Apache-2.0
"""Pod: which changes of an existing pod are refused, in upstream's words."""

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.validation import validate_pod_spec


def validate_pod_update(new: Object, _: Object) -> Errors:
    errors: Errors = []
    validate_pod_spec(new["spec"], "spec", errors)
    return errors


def validate_pod_status_update(_: Object, _old: Object) -> Errors:
    return []
