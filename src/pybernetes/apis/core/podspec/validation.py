# SPDX-License-Identifier: Apache-2.0
"""PodSpec and PodTemplateSpec: what is wrong with one, in upstream's paths and words."""

from pybernetes.apimachinery.field import Errors, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.taints import validate_tolerations


def validate_pod_template(template: Object, at: str, errors: Errors) -> None:
    validate_pod_spec(template.get("spec") or {}, f"{at}.spec", errors)


def validate_pod_spec(spec: Object, at: str, errors: Errors) -> None:
    if not spec.get("containers"):
        errors.append(required(f"{at}.containers"))
    if spec.get("restartPolicy") not in {"Always", "OnFailure", "Never"}:
        known = ["Always", "Never", "OnFailure"]
        errors.append(not_supported(f"{at}.restartPolicy", spec.get("restartPolicy"), known))
    if spec.get("tolerations"):
        validate_tolerations(spec["tolerations"], f"{at}.tolerations", errors)
