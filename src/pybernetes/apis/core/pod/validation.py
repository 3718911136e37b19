# SPDX-License-Identifier: Apache-2.0
"""Pod: what is wrong with a new one, in upstream's paths and words."""

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.validation import validate_pod_spec


def validate_pod(pod: Object) -> Errors:
    errors: Errors = []
    validate_pod_spec(pod["spec"], "spec", errors)
    return errors
