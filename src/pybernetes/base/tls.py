# SPDX-License-Identifier: Apache-2.0
"""Keys, certificates, tokens, and TLS contexts.

All keys are EC P-256. Keys and tokens come from the operating system, never from Env.random.
Validity times come from a Clock; certificates are backdated by five minutes for clock skew.
"""

import datetime
import ipaddress
import secrets
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pybernetes.base import files
from pybernetes.base.clock import Clock

BACKDATE = datetime.timedelta(minutes=5)
TOKEN_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
SHORT = 8 * 3600.0  # seconds; the end of longer lives is backdated too
_NO_TIME = datetime.timedelta()
_KEY_USAGE_BITS = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_KEY_USAGES = {bit.replace("_", " "): bit for bit in _KEY_USAGE_BITS} | {
    "signing": "digital_signature",
    "cert sign": "key_cert_sign",
}
_PURPOSES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, PEM each."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"KeyPair({subject(self.certificate)})"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate names: user (CN), groups (O), and where a server answers (SANs)."""

    name: str
    groups: Sequence[str] = ()
    dns: Sequence[str] = ()
    ips: Sequence[str] = ()


def random_token(length: int = 32) -> str:
    """Lower-case letters and digits from the operating system (36 symbols: 5.17 bits each)."""
    return "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(length))


def new_key() -> bytes:
    """A private key, PKCS#8 PEM. Also what signs service account tokens (ES256)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_key(key: bytes) -> bytes:
    """The public half of a private key, PEM."""
    return (
        _private(key)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _private(key: bytes) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(key, None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError("unsupported private key: only EC keys")
    return loaded


def _name(subject: Subject) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])


def _lifetime(now: datetime.datetime, end: datetime.datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - BACKDATE).not_valid_after(end)


def _usage(*bits: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{bit: bit in bits for bit in _KEY_USAGE_BITS})


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def new_ca(name: str, clock: Clock, *, days: float = 3650) -> KeyPair:
    """A self-signed certificate authority."""
    pem = new_key()
    key = _private(pem)
    named, now = _name(Subject(name)), clock.now().replace(microsecond=0)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _lifetime(now, now + datetime.timedelta(days=days))
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage("digital_signature", "key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(_pem(certificate), pem)


def issue(
    ca: KeyPair,
    subject: Subject,
    clock: Clock,
    *,
    usages: Sequence[str] = ("server", "client"),
    days: float = 365,
) -> KeyPair:
    """A key and a certificate for it, signed by `ca`. `usages`: "server", "client" or both."""
    key, now = new_key(), clock.now().replace(microsecond=0)
    asked = x509.load_pem_x509_csr(new_request(key, subject))
    wanted = ["digital signature", *(f"{usage} auth" for usage in usages)]
    return KeyPair(
        _granted(ca, asked, wanted, now=now, end=now + datetime.timedelta(days=days)), key
    )


def sign_request(
    ca: KeyPair, request: bytes, clock: Clock, *, usages: Sequence[str], seconds: float
) -> bytes:
    """The certificate (PEM) for a PKCS#10 request; subject, SANs and key are the request's.

    `usages` are the Kubernetes API's names. It lives for `seconds`, counted from its backdated
    beginning if those are 8 hours or more, and never longer than `ca`. The caller has decided that
    the request may be granted. Raises ValueError on a bad request or usage, or if `ca` has expired.
    """
    asked = x509.load_pem_x509_csr(request)
    if not asked.is_signature_valid:
        raise ValueError("unable to verify certificate request signature")
    now = clock.now().replace(microsecond=0)
    ending = not_after(ca.certificate)
    if now >= ending:
        raise ValueError(f"the signer has expired: NotAfter={ending}")
    end = now + datetime.timedelta(seconds=seconds) - (BACKDATE if seconds >= SHORT else _NO_TIME)
    return _granted(ca, asked, usages, now=now, end=min(end, ending))


def _granted(
    ca: KeyPair,
    asked: x509.CertificateSigningRequest,
    usages: Sequence[str],
    *,
    now: datetime.datetime,
    end: datetime.datetime,
) -> bytes:
    authority = x509.load_pem_x509_certificate(ca.certificate)
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    signer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = _lifetime(now, end).subject_name(asked.subject).issuer_name(authority.subject)
    names = [one for one in asked.extensions if one.oid == x509.SubjectAlternativeName.oid]
    for one in (*_extensions(usages), *names):
        builder = builder.add_extension(one.value, critical=one.critical)
    builder = builder.public_key(asked.public_key()).add_extension(signer, critical=False)
    return _pem(builder.sign(_private(ca.key), hashes.SHA256()))


def _extensions(usages: Sequence[str]) -> Iterator[x509.Extension[x509.ExtensionType]]:
    """What a leaf certificate for `usages` says of itself."""
    unknown = [usage for usage in usages if usage not in _KEY_USAGES and usage not in _PURPOSES]
    if unknown:
        raise ValueError(f"unrecognized usage values: {unknown}")
    plain = x509.BasicConstraints(ca=False, path_length=None)
    yield x509.Extension(plain.oid, True, plain)
    bits = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
    if bits:
        usage = _usage(*bits)
        yield x509.Extension(usage.oid, True, usage)
    purposes = sorted({_PURPOSES[usage] for usage in usages if usage in _PURPOSES})
    if purposes:
        extended = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in purposes])
        yield x509.Extension(extended.oid, False, extended)


def new_request(key: bytes, subject: Subject) -> bytes:
    """A PKCS#10 request (PEM) for `subject`, signed by `key`."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(subject))
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in subject.dns]
    names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in subject.ips]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.sign(_private(key), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def subject(certificate: bytes) -> str:
    """The subject of a PEM certificate in RFC 4514 text."""
    return x509.load_pem_x509_certificate(certificate).subject.rfc4514_string()


def identity(der: bytes) -> tuple[str, list[str]]:
    """User and groups of a DER certificate: its common name and its organizations."""
    named = x509.load_der_x509_certificate(der).subject
    names = [str(item.value) for item in named.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(item.value) for item in named.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return (names[0] if names else ""), groups


def names(certificate: bytes) -> set[str]:
    """Where the server of a PEM certificate answers: host names and addresses."""
    found = x509.load_pem_x509_certificate(certificate).extensions
    try:
        value = found.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in value}


def good_for(pair: KeyPair | None, who: Subject, clock: Clock) -> datetime.timedelta:
    """How long a certificate serves under all of `who`'s names; 0 and less: it does not."""
    if pair is None or not names(pair.certificate) >= {*who.dns, *who.ips}:
        return _NO_TIME
    return not_after(pair.certificate) - clock.now()


def not_before(certificate: bytes) -> datetime.datetime:
    """When a PEM certificate begins."""
    return x509.load_pem_x509_certificate(certificate).not_valid_before_utc


def not_after(certificate: bytes) -> datetime.datetime:
    """When a PEM certificate ends."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def save(pair: KeyPair, directory: Path, name: str) -> None:
    """`name.crt` and `name.key` in `directory`, mode 0600."""
    files.write_private(directory / f"{name}.key", pair.key)
    files.write_private(directory / f"{name}.crt", pair.certificate)


def load(directory: Path, name: str) -> KeyPair | None:
    """What `save` wrote, or None if it is not there."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    if not (certificate.exists() and key.exists()):
        return None
    return KeyPair(certificate.read_bytes(), key.read_bytes())


def present(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Give `context` its own certificate, for connections to come. ssl reads only files: one that lives for this call."""
    with tempfile.NamedTemporaryFile() as file:  # mode 0600
        file.write(pair.certificate + pair.key)
        file.flush()
        context.load_cert_chain(file.name)


def server_context(pair: KeyPair, client_cas: bytes = b"") -> ssl.SSLContext:
    """TLS 1.2 and up, HTTP/1.1 only; with `client_cas` (PEM) clients may show a certificate.

    Sessions are not resumed: such a one would not show the client's chain.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    present(context, pair)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    if client_cas:
        context.load_verify_locations(cadata=client_cas.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(
    ca: bytes | None, pair: KeyPair | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """Trusts `ca` (PEM; None: the system's authorities); `verify=False` trusts anybody."""
    context = ssl.create_default_context(cadata=ca.decode() if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if pair is not None:
        present(context, pair)
    return context
