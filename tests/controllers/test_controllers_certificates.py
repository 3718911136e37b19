# SPDX-License-Identifier: Apache-2.0
"""Certificates for nodes and people, from the request to the signature; tokens; trust bundles."""

import asyncio
import base64
import datetime
import json

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.base import tls
from pybernetes.cmd import addons
from pybernetes.controllers.bootstrap import detached
from pybernetes.controllers.certificates import plan

CSRS = GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
BUNDLES = GVR("certificates.k8s.io", "v1", "clustertrustbundles")
BINDINGS = GVR("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
NODES = GVR("", "v1", "nodes")
SECRETS = GVR("", "v1", "secrets")
CONFIG_MAPS = GVR("", "v1", "configmaps")
NODE = tls.Subject("system:node:n1", ["system:nodes"])
CLIENT_USAGES = ["digital signature", "client auth"]
SERVER_USAGES = ["digital signature", "server auth"]
GROUP = "system:bootstrappers:kubeadm:default-node-token"
TOKEN_USER = User(
    "system:bootstrap:abcdef", ("system:bootstrappers", GROUP, "system:authenticated")
)


def node_user() -> User:
    return User(NODE.name, ("system:nodes", "system:authenticated"))


def csr(name: str, signer: str, subject: tls.Subject, usages: list[str], **spec: object) -> Object:
    request = base64.b64encode(tls.new_request(tls.new_key(), subject)).decode()
    spec = {"request": request, "signerName": signer, "usages": usages, **spec}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


async def status_of(cluster, name: str) -> Object:
    return (await cluster.client.get(CSRS, name)).get("status") or {}


async def issued(cluster, name: str) -> x509.Certificate | None:
    text = (await status_of(cluster, name)).get("certificate")
    return x509.load_pem_x509_certificate(base64.b64decode(text)) if text else None


async def condition(cluster, name: str) -> Object | None:
    found = (await status_of(cluster, name)).get("conditions")
    return found[0] if found else None


def test_a_node_joins_with_a_token_and_then_renews_its_certificate_itself(in_cluster) -> None:
    async def main(cluster) -> None:
        await addons.ensure(cluster.client)
        asked = csr("first", plan.KUBELET_CLIENT, NODE, CLIENT_USAGES)
        await cluster.client_of(TOKEN_USER).create(CSRS, asked)
        first = await cluster.eventually(lambda: issued(cluster, "first"))
        assert first.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
        assert first.not_valid_after_utc - first.not_valid_before_utc == datetime.timedelta(365)
        approved = await condition(cluster, "first")
        assert (approved["type"], approved["reason"]) == ("Approved", "AutoApproved")
        assert approved["message"] == (
            "Auto approving kubelet client certificate after SubjectAccessReview."
        )
        asked = csr("again", plan.KUBELET_CLIENT, NODE, CLIENT_USAGES, expirationSeconds=3600)
        await cluster.client_of(node_user()).create(CSRS, asked)
        again = await cluster.eventually(lambda: issued(cluster, "again"))
        lifetime = again.not_valid_after_utc - again.not_valid_before_utc
        assert lifetime == datetime.timedelta(hours=1, minutes=5)

    in_cluster(main)


def test_what_no_review_allows_waits_until_one_does(in_cluster) -> None:
    async def main(cluster) -> None:
        await addons.ensure(cluster.client)
        await cluster.client.delete(BINDINGS, "kubeadm:node-autoapprove-bootstrap")
        asked = csr("early", plan.KUBELET_CLIENT, NODE, CLIENT_USAGES)
        await cluster.client_of(TOKEN_USER).create(CSRS, asked)
        await asyncio.sleep(30)
        assert await status_of(cluster, "early") == {}
        await addons.ensure(cluster.client)
        await cluster.eventually(lambda: issued(cluster, "early"))

    in_cluster(main)


async def make_node(cluster, name: str, *addresses: tuple[str, str]) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    status = {"addresses": [{"type": kind, "address": text} for kind, text in addresses]}
    await cluster.client.create(NODES, {**node, "status": status})


def test_serving_certificates_are_for_what_the_node_object_says(in_cluster) -> None:
    async def main(cluster) -> None:
        await addons.ensure(cluster.client)
        serving = tls.Subject(NODE.name, NODE.groups, ["n1"], ["10.0.0.1"])
        wrong = tls.Subject(NODE.name, NODE.groups, ["n1"], ["10.0.0.1", "10.0.0.2"])
        shared = tls.Subject(NODE.name, NODE.groups, ["n1"], ["10.0.0.9"])
        client = cluster.client_of(node_user())
        early = csr("early", plan.KUBELET_SERVING, serving, SERVER_USAGES)
        await client.create(CSRS, early)
        await asyncio.sleep(10)
        assert await status_of(cluster, "early") == {}
        mine = (("Hostname", "n1"), ("InternalIP", "10.0.0.1"), ("InternalIP", "10.0.0.9"))
        await make_node(cluster, "n2", ("InternalIP", "10.0.0.2"), ("ExternalIP", "10.0.0.9"))
        await make_node(cluster, "n1", *mine)
        certificate = await cluster.eventually(lambda: issued(cluster, "early"))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["n1"]
        await client.create(CSRS, csr("wrong", plan.KUBELET_SERVING, wrong, SERVER_USAGES))
        await client.create(CSRS, csr("shared", plan.KUBELET_SERVING, shared, SERVER_USAGES))
        foreign = csr("foreign", plan.KUBELET_SERVING, serving, SERVER_USAGES)
        await cluster.client_of(TOKEN_USER).create(CSRS, foreign)
        await asyncio.sleep(30)
        for name in ("wrong", "shared", "foreign"):
            assert await status_of(cluster, name) == {}, name

    in_cluster(main, approve_kubelet_serving=True)


def test_serving_certificates_wait_for_a_person_by_default(in_cluster) -> None:
    async def main(cluster) -> None:
        await make_node(cluster, "n1", ("Hostname", "n1"))
        serving = tls.Subject(NODE.name, NODE.groups, ["n1"])
        asked = csr("serving", plan.KUBELET_SERVING, serving, SERVER_USAGES)
        await cluster.client_of(node_user()).create(CSRS, asked)
        await asyncio.sleep(30)
        assert await status_of(cluster, "serving") == {}
        await approve(cluster, "serving")
        await cluster.eventually(lambda: issued(cluster, "serving"))

    in_cluster(main)


async def approve(cluster, name: str, kind: str = "Approved") -> None:
    request = await cluster.client.get(CSRS, name)
    decided = {"type": kind, "status": "True", "reason": "ByHand"}
    request["status"] = {"conditions": [decided]}
    await cluster.client.update(CSRS, request, subresource="approval")


def test_people_are_approved_by_people_and_the_signer_checks_usages(in_cluster) -> None:
    async def main(cluster) -> None:
        person = tls.Subject("jane", ["dev"])
        await cluster.client.create(CSRS, csr("good", plan.CLIENT, person, ["client auth"]))
        await cluster.client.create(CSRS, csr("bad", plan.CLIENT, person, ["server auth"]))
        await asyncio.sleep(30)
        assert await status_of(cluster, "good") == {}
        await approve(cluster, "good")
        await approve(cluster, "bad")
        certificate = await cluster.eventually(lambda: issued(cluster, "good"))
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [one.dotted_string for one in purposes] == ["1.3.6.1.5.5.7.3.2"]

        async def failed() -> Object | None:
            found = (await status_of(cluster, "bad")).get("conditions") or ()
            return next((one for one in found if one["type"] == "Failed"), None)

        failure = await cluster.eventually(failed)
        assert failure["reason"] == "SignerValidationFailure"
        assert failure["message"] == "invalid usage for client certificate: server auth"

    in_cluster(main)


def test_old_requests_are_removed(in_cluster) -> None:
    async def main(cluster) -> None:
        for name in ("issued", "denied", "pending"):
            asked = csr(name, plan.CLIENT, tls.Subject("jane"), ["client auth"])
            await cluster.client.create(CSRS, asked)
        await approve(cluster, "issued")
        await approve(cluster, "denied", "Denied")
        await asyncio.sleep(3000)
        assert {one["metadata"]["name"] for one in await cluster.list(CSRS, "")} == {
            *("issued", "denied", "pending")
        }
        await asyncio.sleep(5000)
        left = [one["metadata"]["name"] for one in await cluster.list(CSRS, "")]
        assert left == ["pending"]

    names = (f"certificatesigningrequest-{name}-controller" for name in ("signing", "cleaner"))
    in_cluster(main, controllers=tuple(names))  # others would only make two hours long


@pytest.mark.parametrize(
    ("conditions", "hours", "stale"),
    [
        ([], 23, False),
        ([], 25, True),
        (["Approved"], 23, False),
        (["Approved"], 25, True),
        (["Denied"], 2, True),
        (["Approved", "Failed"], 2, True),
        (["Unknown"], 200, False),
    ],
)
def test_how_long_requests_without_a_certificate_stay(conditions, hours, stale) -> None:
    made = "2026-01-01T00:00:00Z"
    status = {"conditions": [{"type": one, "lastUpdateTime": made} for one in conditions]}
    request = {"metadata": {"creationTimestamp": made}, "status": status}
    later = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(hours=hours)
    assert plan.is_stale(request, later) is stale


@pytest.mark.parametrize(
    ("signer", "subject", "usages", "refusal"),
    [
        (plan.KUBELET_CLIENT, NODE, [*CLIENT_USAGES, "key encipherment"], ""),
        (
            plan.KUBELET_CLIENT,
            NODE,
            [*CLIENT_USAGES, "server auth"],
            "usages did not match [client auth digital signature key encipherment]",
        ),
        (
            plan.KUBELET_CLIENT,
            tls.Subject("system:node:n1", ["system:nodes"], ips=["1.2.3.4"]),
            CLIENT_USAGES,
            "IP subjectAltNames are not allowed",
        ),
        (
            plan.KUBELET_CLIENT,
            tls.Subject("system:node:n1", ["system:nodes", "system:masters"]),
            CLIENT_USAGES,
            "subject organization is not system:nodes",
        ),
        (
            plan.KUBELET_CLIENT,
            tls.Subject("jane", ["system:nodes"]),
            CLIENT_USAGES,
            "subject common name does not begin with system:node:",
        ),
        (plan.KUBELET_SERVING, NODE, SERVER_USAGES, "DNS or IP subjectAltName is required"),
        (plan.CLIENT, tls.Subject("jane"), CLIENT_USAGES, ""),
        (
            plan.CLIENT,
            tls.Subject("jane"),
            ["digital signature"],
            "missing required usage for client certificate: client auth",
        ),
        (plan.LEGACY, tls.Subject("anything"), ["cert sign", "any"], ""),
    ],
)
def test_what_each_signer_signs(signer, subject, usages, refusal) -> None:
    request = csr("x", signer, subject, usages)
    assert plan.refusal(signer, plan.read(request)) == refusal
    request["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    assert plan.awaits_signature(request)
    other = {**request, "spec": {**request["spec"], "signerName": "example.com/mine"}}
    assert not plan.awaits_signature(other)


@pytest.mark.parametrize(("asked", "seconds"), [(None, 1000), (5000, 1000), (700, 700), (60, 600)])
def test_lifetimes(asked, seconds) -> None:
    assert plan.lifetime({"spec": {"expirationSeconds": asked}}, 1000) == seconds


def token(identifier: str, **data: str) -> Object:
    data = {"token-id": identifier, "token-secret": "0123456789abcdef", **data}
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": f"bootstrap-token-{identifier}"}
    kind = {"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token"}
    return {**kind, "metadata": metadata, "data": coded}


def test_tokens_sign_cluster_info_and_end(in_cluster) -> None:
    async def main(cluster) -> None:
        async def keys() -> set[str]:
            found = await cluster.client.get(CONFIG_MAPS, "cluster-info", "kube-public")
            return set(found["data"])

        signing = {"usage-bootstrap-signing": "true"}
        end = rfc3339(cluster.env.clock.now() + datetime.timedelta(hours=1))
        await cluster.create(SECRETS, token("abcdef", **signing, expiration=end), "kube-system")
        await cluster.create(SECRETS, token("nosign"), "kube-system")
        info = {"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "content"}}
        await cluster.create(CONFIG_MAPS, info, "kube-public")

        async def signed() -> bool:
            return await keys() == {"kubeconfig", "jws-kubeconfig-abcdef"}

        await cluster.eventually(signed)
        await asyncio.sleep(3610)
        assert await cluster.gone(SECRETS, "bootstrap-token-abcdef", "kube-system")
        assert not await cluster.gone(SECRETS, "bootstrap-token-nosign", "kube-system")
        assert await keys() == {"kubeconfig"}

    in_cluster(main)


@pytest.mark.filterwarnings("ignore:The HMAC key is 16 bytes")  # upstream's tokens are that short
def test_the_signature_is_a_jws_without_its_content() -> None:
    header, middle, signature = detached("content", "abcdef", "0123456789abcdef").split(".")
    assert middle == ""
    payload = base64.urlsafe_b64encode(b"content").rstrip(b"=").decode()
    whole = f"{header}.{payload}.{signature}"
    verified = jwt.PyJWS().decode_complete(whole, "0123456789abcdef", algorithms=["HS256"])
    assert verified["payload"] == b"content"
    assert verified["header"] == {"alg": "HS256", "kid": "abcdef"}
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == verified["header"]


def test_the_api_servers_authorities_are_a_trust_bundle(in_cluster) -> None:
    async def main(cluster) -> None:
        async def names() -> list[str]:
            return [one["metadata"]["name"] for one in await cluster.list(BUNDLES, "")]

        (name,) = await cluster.eventually(names)
        assert name.startswith("kubernetes.io:kube-apiserver-serving:")
        bundle = await cluster.client.get(BUNDLES, name)
        assert bundle["spec"]["signerName"] == "kubernetes.io/kube-apiserver-serving"
        pem = bundle["spec"]["trustBundle"]
        other = {**bundle, "metadata": {"name": "kubernetes.io:kube-apiserver-serving:old"}}
        await cluster.client.create(BUNDLES, other)

        async def alone() -> bool:
            return await names() == [name]

        await cluster.eventually(alone)
        await cluster.client.create(BUNDLES, bundle_of("mine", "", pem))
        reader = cluster.client_of(User("jane", ("system:authenticated",)))
        with pytest.raises(ApiError) as caught:
            await reader.create(BUNDLES, bundle_of("x", "", pem))
        assert caught.value.code == 403

    in_cluster(main)


def bundle_of(name: str, signer: str, pem: str) -> Object:
    spec = {"trustBundle": pem} | ({"signerName": signer} if signer else {})
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def test_trust_bundles_are_checked(in_cluster) -> None:
    async def main(cluster) -> None:
        ca = tls.new_ca("a", cluster.env.clock)
        leaf = tls.issue(ca, tls.Subject("leaf"), cluster.env.clock).certificate.decode()
        pem = ca.certificate.decode()
        bad = [
            ("a:b", "", pem, 'without signer name must not have ":" in its name'),
            ("a", "example.com/x", pem, "must be named with prefix example.com:x:"),
            ("a", "", "", "at least one trust anchor must be provided"),
            ("a", "", pem + pem, "duplicate trust anchor"),
            ("a", "", leaf, "entry 0 does not have the CA bit set"),
            ("a", "", pem.replace("CERTIFICATE", "PUBLIC KEY"), "entry 0 has bad block type"),
            ("a", "", pem[:40] + "AAAA" + pem[60:], "entry 0 does not parse as X.509"),
        ]
        for name, signer, text, message in bad:
            with pytest.raises(ApiError, match=message) as caught:
                await cluster.client.create(BUNDLES, bundle_of(name, signer, text))
            assert caught.value.code == 422
        await cluster.client.create(BUNDLES, bundle_of("example.com:x:1", "example.com/x", pem))

    in_cluster(main)


USAGES = [
    (["signing"], ["digital_signature"], []),
    (["client auth", "client auth"], [], ["1.3.6.1.5.5.7.3.2"]),
    (["cert sign", "key agreement", "encipher only"], None, []),
    (
        ["ocsp signing", "crl sign", "s/mime", "content commitment"],
        ["content_commitment", "crl_sign"],
        ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.9"],
    ),
]


@pytest.mark.parametrize(("usages", "bits", "purposes"), USAGES)
def test_usages_become_extensions(in_cluster, usages, bits, purposes) -> None:
    from pybernetes.base.clock import Clock

    clock = Clock()
    ca = tls.new_ca("a", clock)
    request = tls.new_request(tls.new_key(), tls.Subject("x"))
    pem = tls.sign_request(ca, request, clock, usages=usages, seconds=600)
    found = x509.load_pem_x509_certificate(pem)
    assert isinstance(found.public_key(), ec.EllipticCurvePublicKey)
    extensions = {one.oid: one.value for one in found.extensions}
    extended = extensions.get(x509.ExtendedKeyUsage.oid, ())
    assert [one.dotted_string for one in extended] == purposes
    usage = extensions.get(x509.KeyUsage.oid)
    if bits is not None:
        assert [bit for bit in tls._KEY_USAGE_BITS[:7] if usage and getattr(usage, bit)] == bits
    else:
        assert usage.key_cert_sign
        assert usage.encipher_only
    assert extensions[x509.BasicConstraints.oid].ca is False
    with pytest.raises(ValueError, match="unrecognized usage values"):
        tls.sign_request(ca, request, clock, usages=["bake bread"], seconds=600)


def test_nothing_outlives_its_signer() -> None:
    from pybernetes.base.clock import Clock

    clock = Clock()
    ca = tls.new_ca("a", clock, days=1)
    request = tls.new_request(tls.new_key(), tls.Subject("x"))
    long = tls.sign_request(ca, request, clock, usages=["any"], seconds=86400 * 9)
    assert tls.not_after(long) == tls.not_after(ca.certificate)
    over = tls.new_ca("a", clock, days=-0.001)
    with pytest.raises(ValueError, match="signer has expired"):
        tls.sign_request(over, request, clock, usages=["any"], seconds=600)
