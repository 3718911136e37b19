# SPDX-License-Identifier: Apache-2.0
"""CertificateApproval, -Signing, -SubjectRestriction, ClusterTrustBundleAttest: who may use a signer."""

import base64
from typing import ClassVar

from cryptography import x509
from cryptography.x509.oid import NameOID

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.admission.plugin import Plugin, forbidden
from pybernetes.apiserver.authorization.escalation import only_collection
from pybernetes.apiserver.types import AdmissionRequest, Authorizer, RequestInfo

GROUP = "certificates.k8s.io"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
MASTERS = "system:masters"
_REQUESTS = frozenset(("certificatesigningrequests.certificates.k8s.io",))


def _may(authorizer: Authorizer, request: AdmissionRequest, verb: str, signer: str) -> bool:
    """True if the user may do `verb` for the signer, or for all signers of its domain."""
    domain = signer.split("/", maxsplit=1)[0]
    for name in (signer, f"{domain}/*"):
        info = RequestInfo.asking(verb, GROUP, "signers", name)
        if authorizer.authorize(request.user, info)[0] == "allow":
            return True
    return False


def subject_values(obj: Object, oid: x509.ObjectIdentifier) -> list[str | bytes]:
    """The values of one attribute of the subject that a request asks for. Raises ValueError."""
    text = (obj.get("spec") or {}).get("request") or ""
    asked = x509.load_pem_x509_csr(base64.b64decode(text))
    return [one.value for one in asked.subject.get_attributes_for_oid(oid)]


def _signer(obj: Object) -> str:
    return (obj.get("spec") or {}).get("signerName") or ""


class CertificateApproval(Plugin):
    """Whoever approves has to be allowed to do `verb` for the request's signer."""

    operations = frozenset(("UPDATE",))
    resources = _REQUESTS
    subresources = frozenset(("approval",))
    verb: ClassVar[str] = "approve"

    async def validate(self, request: AdmissionRequest) -> None:
        signer = _signer(request.old)
        if self.concerns(request) and not _may(self.authorizer, request, self.verb, signer):
            detail = f'user not permitted to {self.verb} requests with signerName "{signer}"'
            raise forbidden(request, detail)

    def concerns(self, request: AdmissionRequest) -> bool:
        return True


class CertificateSigning(CertificateApproval):
    """The same of whoever signs."""

    subresources = frozenset(("status",))
    verb = "sign"

    def concerns(self, request: AdmissionRequest) -> bool:
        old, new = (obj.get("status") or {} for obj in (request.old, request.obj))
        return any(old.get(key) != new.get(key) for key in ("certificate", "conditions"))


class CertificateSubjectRestriction(Plugin):
    operations = frozenset(("CREATE",))
    resources = _REQUESTS

    async def validate(self, request: AdmissionRequest) -> None:
        if _signer(request.obj) != CLIENT_SIGNER:
            return
        try:
            groups = subject_values(request.obj, NameOID.ORGANIZATION_NAME)
        except ValueError as error:
            raise forbidden(request, f"failed to parse CSR: {error}") from error
        if MASTERS in groups:
            raise forbidden(
                request, f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
            )


class ClusterTrustBundleAttest(Plugin):
    resources = frozenset(("clustertrustbundles.certificates.k8s.io",))

    async def validate(self, request: AdmissionRequest) -> None:
        signer = _signer(request.obj)
        if not signer or (request.old and only_collection(request.obj, request.old)):
            return
        if not _may(self.authorizer, request, "attest", signer):
            raise forbidden(request, f'user not permitted to attest for signerName "{signer}"')
