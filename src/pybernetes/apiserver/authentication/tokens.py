# SPDX-License-Identifier: Apache-2.0
"""Issuing service account tokens: the TokenRequest subresource, discovery document and key set."""

from typing import Any

import jwt

from pybernetes.apimachinery import errors, field, meta
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis import rules
from pybernetes.apis.validation.part import Part
from pybernetes.apiserver.authentication.keys import VerifyKey, load_private, verify_key
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.reading import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, Reader
from pybernetes.base.env import Env

GROUP = "authentication.k8s.io"
WARN_ONLY_SECONDS = 3607  # what kubelets ask for: such tokens live on for a year, with a warning
EXTENDED_SECONDS = 365 * 24 * 3600
JWKS_PATH = "/openid/v1/jwks"
CONFIGURATION_PATH = "/.well-known/openid-configuration"


class TokenIssuer:
    """Signs tokens for service accounts."""

    def __init__(self, env: Env, config: Config) -> None:
        self._env = env
        self._config = config
        self._key = load_private(config.service_account_signing_key)
        self.verify_key: VerifyKey = verify_key(self._key.public_key())
        self.audiences = config.audiences

    def sign(self, claims: dict[str, Any]) -> str:
        headers = {"kid": self.verify_key.key_id, "typ": None}
        return jwt.encode(claims, self._key, algorithm=self.verify_key.algorithm, headers=headers)

    def request(self, reader: Reader, namespace: str, name: str, obj: Object) -> Object:
        """Answer a TokenRequest for the service account: the object with its status filled in.

        Raises ApiError 400, 404, 409 or 422 as upstream does.
        """
        account = reader.get(SERVICE_ACCOUNTS, namespace, name)
        if account is None:
            raise errors.not_found("serviceaccounts", "", name)
        spec = _checked_spec(obj, account, self.audiences)
        claims = _claims(reader, account, spec.get("boundObjectRef"))
        now = int(self._env.clock.time())
        lifetime = seconds = spec["expirationSeconds"]
        own = all(audience in self.audiences for audience in spec["audiences"])
        if "pod" in claims and seconds == WARN_ONLY_SECONDS and own:
            lifetime = EXTENDED_SECONDS
            claims["warnafter"] = now + seconds
        token = self.sign(
            {
                "aud": spec["audiences"],
                "exp": now + lifetime,
                "iat": now,
                "iss": self._config.service_account_issuer,
                "jti": self._env.random.uuid(),
                "kubernetes.io": claims,
                "nbf": now,
                "sub": f"system:serviceaccount:{namespace}:{name}",
            }
        )
        return self._answer(obj, spec, account, token)

    def _answer(self, obj: Object, spec: Object, account: Object, token: str) -> Object:
        now = self._env.clock.now()
        end = now.timestamp() + spec["expirationSeconds"]
        stamp = rfc3339(now.fromtimestamp(end, now.tzinfo))
        metadata = {
            **(obj.get("metadata") or {}),
            "name": meta.name(account),
            "namespace": meta.namespace(account),
            "uid": meta.uid(account),
            "creationTimestamp": rfc3339(now),
        }
        return {
            "kind": "TokenRequest",
            "apiVersion": f"{GROUP}/v1",
            "metadata": metadata,
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": stamp},
        }


def _checked_spec(obj: Object, account: Object, audiences: tuple[str, ...]) -> Object:
    _check_identity(obj, account)
    spec = dict(obj.get("spec") or {})
    spec["audiences"] = list(spec.get("audiences") or audiences)
    checks, part = rules.of("io.k8s.api.authentication.v1.TokenRequestSpec"), Part(spec, "spec")
    checks.default(spec)
    checks.check(part)
    if part.errors:
        raise errors.invalid("TokenRequest", GROUP, "", part.errors)
    spec.setdefault("boundObjectRef", None)
    return spec


def _check_identity(obj: Object, account: Object) -> None:
    name = meta.name(account)
    for key in ("name", "namespace"):
        given = meta.metadata(obj).get(key)
        if given and given != meta.metadata(account)[key]:
            detail = f"must match the service account {key} if specified"
            finding = field.invalid(f"metadata.{key}", given, detail)
            raise errors.invalid("TokenRequest", GROUP, name, [finding])
    if meta.uid(obj) and meta.uid(obj) != meta.uid(account):
        detail = (
            f"the UID in the token request ({meta.uid(obj)}) does not match the UID of the "
            f"service account ({meta.uid(account)})"
        )
        raise errors.conflict("TokenRequest", GROUP, name, detail)


def _claims(reader: Reader, account: Object, ref: Object | None) -> Object:
    """The private claims: the account, and the object that the token is bound to."""
    result: Object = {
        "namespace": meta.namespace(account),
        "serviceaccount": {"name": meta.name(account), "uid": meta.uid(account)},
    }
    if not ref:
        return result
    kind, version = ref.get("kind") or "", ref.get("apiVersion") or ""
    if version != "v1" or kind not in ("Pod", "Secret", "Node"):
        group, _, plain = version.rpartition("/")
        shown = f"{group}/{plain}, Kind={kind}"
        raise errors.bad_request(f"cannot bind token to object of type {shown}")
    gvr = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}[kind]
    obj = _find(reader, gvr, "" if gvr == NODES else meta.namespace(account), ref)
    result[kind.lower()] = {"name": meta.name(obj), "uid": meta.uid(obj)}
    if kind == "Pod":
        _add_node(result, reader, account, obj)
    return result


def _find(reader: Reader, gvr: GVR, namespace: str, ref: Object) -> Object:
    name = ref.get("name") or ""
    obj = reader.get(gvr, namespace, name)
    if obj is None:
        raise errors.not_found(gvr.resource, "", name)
    if ref.get("uid") and ref["uid"] != meta.uid(obj):
        detail = (
            f"the UID in the bound object reference ({ref['uid']}) does not match the UID in "
            "record. The object might have been deleted and then recreated"
        )
        raise errors.conflict(ref["kind"], "", name, detail)
    return obj


def _add_node(claims: Object, reader: Reader, account: Object, pod: Object) -> None:
    """The node of a pod that a token is bound to. Raises 400 where the pod runs as another account."""
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName") != meta.name(account):
        raise errors.bad_request(
            f'cannot bind token for serviceaccount "{meta.name(account)}" to pod running with '
            "different serviceaccount name."
        )
    node_name = spec.get("nodeName")
    if node_name:
        node = reader.get(NODES, "", node_name)
        claims["node"] = {"name": node_name}
        if node is not None:
            claims["node"]["uid"] = meta.uid(node)


def openid_configuration(issuer: str, jwks_uri: str, keys: tuple[VerifyKey, ...]) -> Object:
    """/.well-known/openid-configuration."""
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in keys}),
    }


def jwks(keys: tuple[VerifyKey, ...]) -> Object:
    """/openid/v1/jwks (content type application/jwk-set+json)."""
    return {"keys": [key.jwk() for key in keys]}
