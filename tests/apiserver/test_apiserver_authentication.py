# SPDX-License-Identifier: Apache-2.0
"""Who calls: certificates, front proxy, tokens of every kind, impersonation."""

import base64
import datetime

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import User
from pybernetes.apiserver.authentication import tokens, union
from pybernetes.apiserver.authentication.impersonation import impersonate
from pybernetes.apiserver.config import Config
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.wire.types import Peer, Request

ISSUER = "https://kubernetes.default.svc.cluster.local"


class Clock:
    """Shows what it is told."""

    def __init__(self):
        self.seconds = 1_800_000_000.0

    def time(self):
        return self.seconds

    def monotonic(self):
        return self.seconds

    def now(self):
        return datetime.datetime.fromtimestamp(self.seconds, datetime.UTC)


class Objects(dict):
    """A Reader over {(resource, namespace, name): object}."""

    def get(self, gvr, namespace, name):
        return super().get((gvr.resource, namespace, name))

    def list(self, gvr, namespace):
        return [o for (r, ns, _), o in self.items() if r == gvr.resource and namespace in ("", ns)]

    def put(self, resource, namespace, name, **fields):
        metadata = {"namespace": namespace, "name": name, "uid": f"{resource}-{name}"}
        self[resource, namespace, name] = {"metadata": metadata, **fields}


class World:
    def __init__(self, **config):
        self.clock = Clock()
        self.env = Env(clock=self.clock)
        self.objects = Objects()
        self.ca = tls.new_ca("kubernetes", self.clock)
        self.proxy_ca = tls.new_ca("front", self.clock)
        signing = {"service_account_issuer": ISSUER, "service_account_signing_key": tls.new_key()}
        self.issuer = tokens.TokenIssuer(self.env, Config(**signing))
        keys = (self.issuer.verify_key,)
        self.config = Config(
            client_ca=self.ca.certificate,
            requestheader_client_ca=self.proxy_ca.certificate,
            token_users={"letmein": ("static", ("g",))},
            **config,
        )
        self.bearer = union.bearer_tokens(self.config, keys, self.objects, self.clock)
        self.union = union.build(self.config, self.bearer, self.clock)

    def call(self, *, cert=None, chain=(), **headers):
        certificates = tuple(der(pem) for pem in ((cert, *chain) if cert else ()))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request("GET", "/", "/", headers=named, peer=Peer("", certificates))
        return self.union.authenticate(request)

    def bearer_call(self, token):
        return self.call(authorization=f"Bearer {token}")

    def token(self, **spec):
        return self.issuer.request(self.objects, "ns", "sa", {"spec": spec})["status"]["token"]


def der(pem):
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.fixture
def world():
    made = World()
    made.objects.put("serviceaccounts", "ns", "sa")
    made.objects.put("pods", "ns", "p", spec={"serviceAccountName": "sa", "nodeName": "n"})
    made.objects.put("nodes", "", "n")
    return made


def test_certificate_names_user_and_groups(world):
    pair = tls.issue(world.ca, tls.Subject("jane", ("dev", "ops")), world.clock)
    user = world.call(cert=pair.certificate)
    assert (user.name, user.groups) == ("jane", ("dev", "ops", "system:authenticated"))
    assert user.extra[0][1][0].startswith("X509SHA256=")
    assert world.call(cert=pair.certificate) is user
    world.clock.seconds += 366 * 86400
    assert world.call(cert=pair.certificate).name == "system:anonymous"


def test_certificates_of_other_authorities_and_server_certificates_are_nobody(world):
    other = tls.issue(tls.new_ca("kubernetes", world.clock), tls.Subject("eve"), world.clock)
    server = tls.issue(world.ca, tls.Subject("srv"), world.clock, usages=("server",))
    for pair in (other, server):
        assert world.call(cert=pair.certificate).name == "system:anonymous"


def test_front_proxy_speaks_for_others_but_is_no_user_itself(world):
    proxy = tls.issue(world.proxy_ca, tls.Subject("front-proxy-client"), world.clock)
    user = world.call(
        cert=proxy.certificate,
        x_remote_user="bob",
        x_remote_group="a, b",
        **{"x_remote_extra_acme%2fproject": "x"},
    )
    assert (user.name, user.groups[:2]) == ("bob", ("a", "b"))
    assert user.extra == (("acme/project", ("x",)),)
    assert world.call(cert=proxy.certificate).name == "system:anonymous"
    stranger = tls.issue(world.proxy_ca, tls.Subject("stranger"), world.clock)
    assert world.call(cert=stranger.certificate, x_remote_user="bob").name == "system:anonymous"
    client = tls.issue(world.ca, tls.Subject("front-proxy-client"), world.clock)
    assert world.call(cert=client.certificate, x_remote_user="bob").name == "front-proxy-client"
    assert world.call(x_remote_user="bob").name == "system:anonymous"


def test_static_token_anonymous_and_bad_token():
    world = World(anonymous_auth=False)
    assert world.bearer_call("letmein").name == "static"
    for headers in ({"authorization": "Bearer wrong"}, {}):
        with pytest.raises(ApiError) as caught:
            world.call(**headers)
        assert caught.value.code == 401


def test_token_in_a_websocket_protocol_is_taken_out(world):
    coded = base64.urlsafe_b64encode(b"letmein").rstrip(b"=").decode()
    offered = f"base64url.bearer.authorization.k8s.io.{coded}, v5.channel.k8s.io"
    request = Request("GET", "/", "/", headers={"sec-websocket-protocol": offered})
    assert world.union.authenticate(request).name == "static"
    assert request.headers["sec-websocket-protocol"] == "v5.channel.k8s.io"


def test_in_process_identity_is_trusted(world):
    request = Request("GET", "/", "/", identity=User("system:node:n", ("system:nodes",)))
    assert world.union.authenticate(request).groups == ("system:nodes", "system:authenticated")


def test_bootstrap_token(world):
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:x",
        "expiration": "2027-01-16T00:00:00Z",
    }
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    world.objects.put(
        "secrets",
        "kube-system",
        "bootstrap-token-abcdef",
        type="bootstrap.kubernetes.io/token",
        data=coded,
    )
    user = world.bearer_call("abcdef.0123456789abcdef")
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups[:2] == ("system:bootstrappers", "system:bootstrappers:x")
    with pytest.raises(ApiError):
        world.bearer_call("abcdef.0123456789abcdee")
    world.clock.seconds += 86400 * 365
    with pytest.raises(ApiError):
        world.bearer_call("abcdef.0123456789abcdef")


def test_service_account_token_carries_pod_and_node(world):
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "pods-p"}
    user = world.bearer_call(world.token(boundObjectRef=ref))
    assert user.name == "system:serviceaccount:ns:sa"
    assert user.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:ns",
        "system:authenticated",
    )
    extra = dict(user.extra)
    assert extra["authentication.kubernetes.io/pod-name"] == ("p",)
    assert extra["authentication.kubernetes.io/node-uid"] == ("nodes-n",)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda w: w.objects.pop(("pods", "ns", "p")),
            "service account token has been invalidated",
        ),
        (lambda w: w.objects.put("pods", "ns", "p") or _uid(w, "pods", "p"), "pod UID"),
        (lambda w: _uid(w, "serviceaccounts", "sa"), "service account UID"),
        (lambda w: setattr(w.clock, "seconds", w.clock.seconds + 3700), "has expired"),
        (lambda w: setattr(w.clock, "seconds", w.clock.seconds - 3700), "is not valid yet"),
    ],
)
def test_service_account_token_goes_bad(world, change, text):
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    token = world.token(boundObjectRef=ref)
    change(world)
    review = union.review_token(world.bearer, {"spec": {"token": token}})
    assert "authenticated" not in review["status"]
    assert text in review["status"]["error"]


def _uid(world, resource, name):
    world.objects[resource, "ns", name]["metadata"]["uid"] = "new"


def test_a_forged_signature_and_alg_none_are_refused(world):
    token = world.token()
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = jwt.encode(claims, "x" * 32, algorithm="HS256")
    bare = jwt.encode(claims, None, algorithm="none")
    for bad in (forged, bare, token[:-4] + "AAAA"):
        with pytest.raises(ApiError):
            world.bearer_call(bad)


def test_token_review_answers_for_the_asked_audience(world):
    token = world.token(audiences=["vault"])
    good = union.review_token(world.bearer, {"spec": {"token": token, "audiences": ["vault"]}})
    assert good["status"]["audiences"] == ["vault"]
    assert good["status"]["user"]["username"] == "system:serviceaccount:ns:sa"
    bad = union.review_token(world.bearer, {"spec": {"token": token}})
    assert "is invalid for the target audiences" in bad["status"]["error"]


def test_token_request_status_and_refusals(world):
    answer = world.issuer.request(world.objects, "ns", "sa", {"spec": {"expirationSeconds": 7200}})
    assert answer["status"]["expirationTimestamp"] == "2027-01-15T10:00:00Z"
    assert answer["spec"]["audiences"] == [ISSUER]
    refused = [
        ({"expirationSeconds": 1}, 422, "may not specify a duration less than 10 minutes"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "x"}}, 404, "not found"),
        ({"boundObjectRef": {"kind": "Job", "apiVersion": "batch/v1"}}, 400, "cannot bind token"),
        (
            {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "z"}},
            409,
            "the UID in the bound object reference",
        ),
    ]
    for spec, code, text in refused:
        with pytest.raises(ApiError, match=text) as caught:
            world.issuer.request(world.objects, "ns", "sa", {"spec": spec})
        assert caught.value.code == code


def test_kubelet_tokens_live_a_year_and_warn_after_the_asked_time(world):
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    token = world.token(boundObjectRef=ref, expirationSeconds=3607)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 365 * 86400
    assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607


def test_published_keys_verify_issued_tokens(world):
    keys = (world.issuer.verify_key,)
    published = tokens.jwks(keys)["keys"][0]
    token = world.token()
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": published["kid"]}
    key = jwt.PyJWK(published)
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    assert jwt.decode(token, key, audience=ISSUER, options=options)["iss"] == ISSUER
    document = tokens.openid_configuration(ISSUER, f"{ISSUER}/openid/v1/jwks", keys)
    assert document["id_token_signing_alg_values_supported"] == ["ES256"]


class Only:
    """Authorizer that allows what it was told, as "resource/name"."""

    def __init__(self, *allowed):
        self.allowed = allowed

    def authorize(self, user, info):
        parts = [info.resource, info.subresource, info.name]
        asked = "/".join(part for part in parts if part)
        return ("allow" if asked in self.allowed else "no-opinion", "")


def acting(*allowed, **headers):
    named = {f"impersonate-{key.replace('_', '-')}": value for key, value in headers.items()}
    request = Request("GET", "/", "/", headers=named)
    result = impersonate(request, User("admin"), Only(*allowed))
    assert not [name for name in request.headers if name.startswith("impersonate-")]
    return result


def test_impersonation_asks_for_every_part():
    user = acting(
        "users/jane",
        "groups/dev",
        "userextras/scopes/view",
        user="jane",
        group="dev",
        extra_scopes="view",
    )
    assert user == User("jane", ("dev", "system:authenticated"), "", (("scopes", ("view",)),))
    with pytest.raises(ApiError) as caught:
        acting("users/jane", user="jane", group="root")
    assert caught.value.message == (
        'groups "root" is forbidden: User "admin" cannot impersonate resource "groups" '
        'in API group "" at the cluster scope'
    )


def test_impersonated_service_accounts_get_their_groups():
    user = acting("serviceaccounts/sa", user="system:serviceaccount:ns:sa")
    assert user.groups[:2] == ("system:serviceaccounts", "system:serviceaccounts:ns")
    assert acting("users/system:anonymous", user="system:anonymous").groups == (
        "system:unauthenticated",
    )
    with pytest.raises(ApiError, match="without impersonating a user name"):
        acting(group="dev")
