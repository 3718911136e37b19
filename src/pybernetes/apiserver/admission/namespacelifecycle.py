# SPDX-License-Identifier: Apache-2.0
"""NamespaceLifecycle: nothing is made in a namespace that is missing or going away."""

from pybernetes.apimachinery import errors
from pybernetes.apiserver.admission.plugin import Plugin, forbidden
from pybernetes.apiserver.reading import NAMESPACES
from pybernetes.apiserver.types import AdmissionRequest

IMMORTAL = ("default", "kube-system", "kube-public")
_REVIEWS = "localsubjectaccessreviews.authorization.k8s.io"


class NamespaceLifecycle(Plugin):
    operations = frozenset(("CREATE", "DELETE"))
    subresources = None

    async def admit(self, request: AdmissionRequest) -> None:
        if request.of == "namespaces":
            if request.operation == "DELETE" and request.name in IMMORTAL:
                raise forbidden(request, "this namespace may not be deleted")
            return
        ignored = request.operation == "DELETE" or request.of == _REVIEWS
        if ignored or not request.namespace:
            return
        namespace = self.reader.get(NAMESPACES, "", request.namespace)
        if namespace is None:
            raise errors.not_found("namespaces", "", request.namespace)
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            return
        error = forbidden(
            request,
            f"unable to create new content in namespace {request.namespace} "
            "because it is being terminated",
        )
        error.details["causes"] = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {request.namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        raise error
