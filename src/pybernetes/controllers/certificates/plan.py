# SPDX-License-Identifier: Apache-2.0
"""Decides what becomes of a CertificateSigningRequest. Pure.

Rules, messages and figures are upstream's: pkg/apis/certificates/helpers.go and
pkg/controller/certificates/{approver,signer,cleaner}.
"""

import base64
import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)
NODE_PREFIX = "system:node:"
SHORTEST = 600  # seconds a certificate lives at least
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
_DNS_ADDRESSES = ("Hostname", "InternalDNS", "ExternalDNS")
_IP_ADDRESSES = ("InternalIP", "ExternalIP")
_KINDS = {
    "DNS": x509.DNSName,
    "Email": x509.RFC822Name,
    "IP": x509.IPAddress,
    "URI": x509.UniformResourceIdentifier,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the PKCS#10 request of a CertificateSigningRequest asks for, and the usages beside it."""

    name: str
    organizations: tuple[str, ...]
    names: dict[str, tuple[str, ...]]  # by the keys of _KINDS: what else it is to be known by
    usages: frozenset[str]


def pem_of(request: Object) -> bytes:
    """spec.request of a CertificateSigningRequest. Raises ValueError."""
    return base64.b64decode(request["spec"]["request"])


def read(request: Object) -> Asked:
    """What a CertificateSigningRequest asks for. Raises ValueError where that cannot be parsed."""
    asked = x509.load_pem_x509_csr(pem_of(request))
    try:
        extension = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = list(extension.value)
    except x509.ExtensionNotFound:
        names = []
    common = _attributes(asked.subject, NameOID.COMMON_NAME)
    return Asked(
        name=common[-1] if common else "",
        organizations=_attributes(asked.subject, NameOID.ORGANIZATION_NAME),
        names={
            what: tuple(str(one.value) for one in names if isinstance(one, kind))
            for what, kind in _KINDS.items()
        },
        usages=frozenset(request["spec"].get("usages") or ()),
    )


def _attributes(subject: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(one.value) for one in subject.get_attributes_for_oid(oid))


def is_decided(request: Object) -> bool:
    """True if it was approved or denied, or has its certificate."""
    status = request.get("status") or {}
    decided = (conditions.find(status.get("conditions"), kind) for kind in ("Approved", "Denied"))
    return bool(status.get("certificate")) or any(decided)


def awaits_signature(request: Object) -> bool:
    """True if it is approved for one of our signers, and neither signed nor failed."""
    status = request.get("status") or {}
    found = status.get("conditions")
    granted = conditions.find(found, "Approved") and not conditions.find(found, "Denied")
    open_ = not status.get("certificate") and not conditions.is_true(found, "Failed")
    return bool(granted) and open_ and request["spec"]["signerName"] in SIGNERS


def subresources(request: Object, asked: Asked) -> list[tuple[str, str]]:
    """The (subresource, message) pairs of which one has to be allowed for automatic approval."""
    if request["spec"]["signerName"] != KUBELET_CLIENT or refusal(KUBELET_CLIENT, asked):
        return []
    words = "Auto approving {}kubelet client certificate after SubjectAccessReview."
    result = [("nodeclient", words.format(""))]
    if request["spec"].get("username") == asked.name:
        result.insert(0, ("selfnodeclient", words.format("self ")))
    return result


def refusal(signer: str, asked: Asked) -> str:
    """Why `signer` does not sign such a request; "" if it does."""
    if signer == KUBELET_CLIENT:
        return _kubelet(asked, tuple(_KINDS), "client auth")
    if signer == KUBELET_SERVING:
        if asked.organizations == ("system:nodes",) and not (
            asked.names["DNS"] or asked.names["IP"]
        ):
            return "DNS or IP subjectAltName is required"
        return _kubelet(asked, ("Email", "URI"), "server auth")
    if signer == CLIENT:
        optional = {"digital signature", "key encipherment", "client auth"}
        for usage in sorted(asked.usages - optional):
            return f"invalid usage for client certificate: {usage}"
        if "client auth" not in asked.usages:
            return "missing required usage for client certificate: client auth"
    return ""


def _kubelet(asked: Asked, unwanted: Sequence[str], purpose: str) -> str:
    if asked.organizations != ("system:nodes",):
        return "subject organization is not system:nodes"
    for kind in unwanted:
        if asked.names[kind]:
            return f"{kind} subjectAltNames are not allowed"
    needed = {"digital signature", purpose}
    if asked.usages not in (needed, needed | {"key encipherment"}):
        shown = sorted(needed | {"key encipherment"})
        return f"usages did not match [{' '.join(shown)}]"
    if not asked.name.startswith(NODE_PREFIX):
        return f"subject common name does not begin with {NODE_PREFIX}"
    return ""


def is_serving(request: Object, asked: Asked, nodes: Sequence[Object]) -> bool:
    """True for a node's request to serve under nothing but the names and addresses of its Node.

    An address that another Node claims too is nobody's.
    """
    spec = request["spec"]
    if spec["signerName"] != KUBELET_SERVING or refusal(KUBELET_SERVING, asked):
        return False
    if spec.get("username") != asked.name or "system:nodes" not in (spec.get("groups") or ()):
        return False
    own, others = set[tuple[bool, str]](), set[tuple[bool, str]]()
    for node in nodes:
        found = own if f"{NODE_PREFIX}{meta.name(node)}" == asked.name else others
        found |= _claims(node)
    wanted = {(kind == "DNS", name) for kind in ("DNS", "IP") for name in asked.names[kind]}
    return wanted <= own - others


def _claims(node: Object) -> set[tuple[bool, str]]:
    """(is a name, name or address) of everything a Node says it answers to."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    return {
        (one["type"] in _DNS_ADDRESSES, one["address"])
        for one in addresses
        if one["type"] in (*_DNS_ADDRESSES, *_IP_ADDRESSES)
    }


def lifetime(request: Object, longest: float) -> float:
    """Seconds for which the certificate is to be good."""
    seconds: float | None = request["spec"].get("expirationSeconds")
    return longest if seconds is None else min(longest, max(SHORTEST, seconds))


def is_stale(request: Object, now: datetime.datetime) -> bool:
    """True if it is to be removed: an hour after its end, a day if it waits, or expired."""
    status = request.get("status") or {}
    certificate, found = status.get("certificate"), status.get("conditions") or []
    if not found:
        return _is_older(meta.metadata(request).get("creationTimestamp"), DAY, now)
    for one in (one for one in found if one["type"] in ("Approved", "Denied", "Failed")):
        open_ = one["type"] == "Approved" and not certificate
        if _is_older(one.get("lastUpdateTime"), DAY if open_ else HOUR, now):
            return True
    return certificate is not None and _has_expired(certificate, now)


def _is_older(stamp: str | None, age: datetime.timedelta, now: datetime.datetime) -> bool:
    return bool(stamp) and now - parse(stamp or "") > age


def _has_expired(certificate: str, now: datetime.datetime) -> bool:
    try:
        return (
            x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc < now
        )
    except ValueError:
        return False
