# SPDX-License-Identifier: Apache-2.0
"""Keys of service account tokens: their algorithm, their id, their JSON Web Key."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Public = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_CURVES = {256: "ES256", 384: "ES384", 521: "ES512"}


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key. `key_id` is upstream's: the hash of its DER form."""

    key: Public
    algorithm: str
    key_id: str

    def jwk(self) -> dict[str, Any]:
        """The key as /openid/v1/jwks publishes it."""
        if isinstance(self.key, rsa.RSAPublicKey):
            parts = json.loads(RSAAlgorithm.to_jwk(self.key))
        else:
            parts = json.loads(ECAlgorithm.to_jwk(self.key))
        head = {"use": "sig", "kty": parts.pop("kty"), "kid": self.key_id}
        parts.pop("key_ops", None)
        curve = {"crv": parts.pop("crv")} if "crv" in parts else {}
        return {**head, **curve, "alg": self.algorithm, **parts}


def load_private(pem: bytes) -> Private:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("unsupported service account key: only EC and RSA keys")
    return key


def load_public(pem: bytes) -> VerifyKey:
    """A public key from a PEM public or private key."""
    if b"PRIVATE KEY" in pem:
        return verify_key(load_private(pem).public_key())
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError("unsupported service account key: only EC and RSA keys")
    return verify_key(key)


def verify_key(key: Public) -> VerifyKey:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    algorithm = "RS256" if isinstance(key, rsa.RSAPublicKey) else _CURVES[key.curve.key_size]
    return VerifyKey(key, algorithm, digest)
