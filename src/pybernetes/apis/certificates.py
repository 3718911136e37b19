# SPDX-License-Identifier: Apache-2.0
"""certificates.k8s.io: CertificateSigningRequest: asked once, then only approved, denied or signed.

ClusterTrustBundle: authorities that a signer's clients trust, named after the signer if it has one.

Who asks (spec.username and so on) is written by the API server, which knows the request's user.
Whether spec.request holds a good PKCS#10 request is checked by the signers, which parse it.
"""

import base64
import datetime
import re

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object, User
from pybernetes.apis.columns import look
from pybernetes.apis.validation.names import dns1123_subdomain, domain_prefixed_path
from pybernetes.apis.validation.part import Part

_LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_PEM = b"-----BEGIN CERTIFICATE REQUEST-----"
_NO_PEM = "PEM block type must be CERTIFICATE REQUEST"
_PEM_BLOCK = re.compile("-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)-----END \\1-----", re.DOTALL)
_DECIDED = ("Approved", "Denied")


def set_requestor(obj: Object, user: User) -> None:
    """Approvers rely on these fields: they are the authenticated user's, never the client's."""
    spec = obj["spec"]
    for field in ("username", "uid", "groups", "extra"):
        spec.pop(field, None)
    spec |= user.info()


def prepare_update(new: Object, old: Object) -> None:
    """Requests are immutable; status and approval have subresources of their own."""
    new["spec"] = old["spec"]


def prepare_status_update(new: Object, old: Object) -> None:
    """Approved and Denied conditions stay as they were, where they stand; only that may differ.

    Adding and removing them is the approval subresource's business, and refused here.
    """
    status = new["status"] = dict(new.get("status") or {})
    before = {one.get("type"): one for one in _conditions(old) if one.get("type") in _DECIDED}
    listed = [before.pop(one.get("type"), one) for one in status.get("conditions") or []]
    listed = [one for one in listed if one.get("type") not in _DECIDED or one in _conditions(old)]
    status["conditions"] = [*listed, *before.values()]


def prepare_approval(new: Object, old: Object) -> None:
    """PUT approval changes conditions alone."""
    conditions = _conditions(new)
    new["spec"] = old["spec"]
    new["status"] = {**(old.get("status") or {}), "conditions": conditions}


def _conditions(obj: Object) -> list[Object]:
    return look(obj, "status", "conditions") or []


def validate_request(spec: Part) -> None:
    if not _is_pem(spec.get("request") or ""):
        spec.invalid("request", spec.get("request") or "", _NO_PEM)
    if spec.get("signerName") != _LEGACY_SIGNER:
        _signer(spec, spec.get("signerName") or "")


def _signer(spec: Part, signer: str) -> None:
    if errors := domain_prefixed_path(signer, spec.path("signerName")):
        spec.errors.extend(errors)
    elif "." not in signer.partition("/")[0]:
        wrong = "should be a domain with at least two segments separated by dots"
        spec.invalid("signerName", signer, wrong)


def _is_pem(request: str) -> bool:
    try:
        return base64.b64decode(request).lstrip().startswith(_PEM)
    except ValueError:
        return False


def validate_approval(new: Object, old: Object) -> Errors:
    """The findings of PUT approval, after prepare_approval."""
    status = Part(new).child("status")
    types = [one.get("type") for one in _conditions(new)]
    for type_ in (one.get("type") for one in _conditions(old)):
        if type_ in {"Approved", "Denied", "Failed"} and type_ not in types:
            wrong = f'updates may not remove a condition of type "{type_}"'
            status.forbidden("conditions", wrong)
    for one in status.each("conditions"):
        one.need("type")
        if one.get("type") in {"Approved", "Denied", "Failed"}:
            one.one_of("status", ["True"])
    if "Approved" in types and "Denied" in types:
        wrong = "Approved and Denied conditions are mutually exclusive"
        status.invalid("conditions", "Denied", wrong)
    return status.errors


def validate_status(part: Part, old: Object) -> None:
    part.errors += validate_approval(part.obj, old)
    certificate, was = (look(obj, "status", "certificate") for obj in (part.obj, old))
    if was and certificate != was:
        wrong = "updates may not modify existing certificate content"
        part.forbidden("status.certificate", wrong)


def condition(obj: Object, _: datetime.datetime) -> str:
    types = [one.get("type") for one in _conditions(obj)]
    shown = next((one for one in ("Denied", "Approved") if one in types), "Pending")
    shown += ",Failed" if "Failed" in types else ""
    return shown + (",Issued" if look(obj, "status", "certificate") else "")


def validate_bundle(part: Part) -> None:
    """Upstream's ValidateClusterTrustBundle."""
    name, spec = look(part.obj, "metadata", "name") or "", part.child("spec")
    signer = spec.get("signerName") or ""
    prefix = signer.replace("/", ":") + ":" if signer else ""
    if not name.startswith(prefix):
        named = f"for signerName {signer} must be named with prefix {prefix}"
        part.invalid("metadata.name", name, f"ClusterTrustBundle {named}")
    elif not prefix and ":" in name:
        wrong = 'ClusterTrustBundle without signer name must not have ":" in its name'
        part.invalid("metadata.name", name, wrong)
    else:
        part.wrong("metadata.name", name, dns1123_subdomain(name.removeprefix(prefix)))
    if signer:
        _signer(spec, signer)


def validate_trusted(part: Part) -> None:
    """Every block is a CA's certificate, and each is there once."""
    bundle: str = look(part.obj, "spec", "trustBundle") or ""
    blocks = _PEM_BLOCK.findall(bundle)
    wrong = [f"entry {n} {why}" for n, block in enumerate(blocks) if (why := _unfit(block))]
    if not wrong and len({body for _, body in blocks}) < len(blocks):
        wrong = ["duplicate trust anchor"]
    if not blocks:
        wrong = ["at least one trust anchor must be provided"]
    part.wrong("spec.trustBundle", "<value omitted>", wrong)


def _unfit(block: tuple[str, str]) -> str:
    from cryptography import x509

    kind, body = block
    if kind != "CERTIFICATE":
        return f"has bad block type: {kind}"
    if ":" in body:
        return "has PEM block headers"
    try:
        found = x509.load_der_x509_certificate(base64.b64decode(body))
        basic = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "does not have the CA bit set"
    except ValueError:
        return "does not parse as X.509"
    return "" if basic.ca else "does not have the CA bit set"


def validate_changed_trust(part: Part, old: Object) -> None:
    if look(part.obj, "spec", "trustBundle") != look(old, "spec", "trustBundle"):
        validate_trusted(part)
