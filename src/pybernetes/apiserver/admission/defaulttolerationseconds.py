# SPDX-License-Identifier: Apache-2.0
"""DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or unreachable."""

from typing import ClassVar

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.admission.plugin import PODS, GroupResource, Plugin, spec_of
from pybernetes.apiserver.types import AdmissionRequest

SECONDS = 300
_KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(Plugin):
    name = "DefaultTolerationSeconds"
    resources: ClassVar[frozenset[GroupResource] | None] = frozenset((PODS,))

    async def admit(self, request: AdmissionRequest) -> None:
        if request.obj is None or request.subresource:
            return
        spec = spec_of(request.obj)
        tolerations = spec.get("tolerations") or []
        missing = [key for key in _KEYS if not any(_tolerates(item, key) for item in tolerations)]
        if missing:
            spec["tolerations"] = [*tolerations, *(_toleration(key) for key in missing)]


def _tolerates(toleration: Object, key: str) -> bool:
    effect = toleration.get("effect") in (None, "", "NoExecute")
    return effect and toleration.get("key") in (None, "", key)


def _toleration(key: str) -> Object:
    return {
        "effect": "NoExecute",
        "key": key,
        "operator": "Exists",
        "tolerationSeconds": SECONDS,
    }
