# SPDX-License-Identifier: Apache-2.0
"""Subresources and virtual resources."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pybernetes.apimachinery.types import User
from pybernetes.apis import certificates
from pybernetes.apiserver.config import Config

NS = "/api/v1/namespaces/default"
PODS = NS + "/pods"
POLICY = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
MERGE = "application/merge-patch+json"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@pytest.fixture
async def pod(call):
    await call("POST", NS + "/serviceaccounts", {"metadata": {"name": "default"}}, expect=201)
    body = {
        "metadata": {"name": "p", "labels": {"app": "p"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    return await call("POST", PODS, body, expect=201)


async def test_scale(call):
    labels = {"app": "d"}
    body = {
        "metadata": {"name": "d"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    }
    path = "/apis/apps/v1/namespaces/default/deployments"
    await call("POST", path, body, expect=201)
    scale = await call("GET", path + "/d/scale", expect=200)
    assert (scale["apiVersion"], scale["spec"]) == ("autoscaling/v1", {"replicas": 2})
    assert scale["status"]["selector"] == "app=d"
    scale["spec"]["replicas"] = 4
    assert (await call("PUT", path + "/d/scale", scale, expect=200))["spec"]["replicas"] == 4
    await call("PUT", path + "/d/scale", scale, expect=409)
    zero = {"spec": {"replicas": 0}}
    await call("PATCH", path + "/d/scale", zero, content_type=MERGE, expect=200)
    assert (await call("GET", path + "/d"))["spec"]["replicas"] == 0
    less = {"spec": {"replicas": -1}}
    await call("PATCH", path + "/d/scale", less, content_type=MERGE, expect=422)


async def test_eviction_respects_a_budget(call, pod):
    pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await call("PUT", PODS + "/p/status", pod, expect=200)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "p"}}}
    budget = await call("POST", POLICY, {"metadata": {"name": "b"}, "spec": spec}, expect=201)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    early = await call("POST", PODS + "/p/eviction", eviction, expect=429)
    assert "still being processed" in early["details"]["causes"][0]["message"]
    status = {"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    budget["status"] = {**status, "disruptionsAllowed": 0}
    budget = await call("PUT", POLICY + "/b/status", budget, expect=200)
    refused = await call("POST", PODS + "/p/eviction", eviction, expect=429)
    assert refused["message"].startswith("Cannot evict pod as it would violate")
    assert "needs 1 healthy pods and has 1 currently" in refused["details"]["causes"][0]["message"]
    budget["status"]["disruptionsAllowed"] = 1
    await call("PUT", POLICY + "/b/status", budget, expect=200)
    await call("POST", PODS + "/p/eviction", eviction, expect=201)
    await call("GET", PODS + "/p", expect=404)
    assert "p" in (await call("GET", POLICY + "/b"))["status"]["disruptedPods"]


async def test_ephemeral_containers_are_only_added(call, pod):
    one = {"name": "debug", "image": "i"}
    patch = {"spec": {"ephemeralContainers": [one], "containers": [{"name": "c", "image": "j"}]}}
    path = PODS + "/p/ephemeralcontainers"
    done = await call("PATCH", path, patch, content_type=MERGE, expect=200)
    assert done["spec"]["ephemeralContainers"][0]["name"] == "debug"
    assert done["spec"]["containers"][0]["image"] == "i"
    gone = {"spec": {"ephemeralContainers": []}}
    refused = await call("PATCH", path, gone, content_type=MERGE, expect=422)
    assert "may not be removed" in refused["message"]


async def test_resize_changes_resources_alone(call, pod):
    container = {"name": "c", "image": "j", "resources": {"requests": {"cpu": "2"}}}
    patch = {"spec": {"containers": [container]}}
    refused = await call("PATCH", PODS + "/p/resize", patch, content_type=MERGE, expect=422)
    assert "QOS" in refused["message"].upper()


async def test_namespaces_end_with_their_last_finalizer(call):
    await call("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}}, expect=201)
    held = await call("DELETE", "/api/v1/namespaces/n", expect=200)
    assert held["status"]["phase"] == "Terminating"
    again = await call("DELETE", "/api/v1/namespaces/n", expect=200)
    assert again["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
    late = {"metadata": {"name": "c"}}
    refused = await call("POST", "/api/v1/namespaces/n/configmaps", late, expect=403)
    assert refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    held["spec"] = {}
    await call("PUT", "/api/v1/namespaces/n/finalize", held, expect=200)
    await call("GET", "/api/v1/namespaces/n", expect=404)


async def test_tokens_name_their_owner(start):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    call = await start(Config(service_account_signing_key=pem))
    await call("POST", NS + "/serviceaccounts", {"metadata": {"name": "sa"}}, expect=201)
    asked = await call("POST", NS + "/serviceaccounts/sa/token", {"spec": {}}, expect=201)
    review = {"spec": {"token": asked["status"]["token"]}}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    answer = await call("POST", path, review, expect=201)
    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:sa"
    call.user = None
    headers = {"authorization": "Bearer " + asked["status"]["token"]}
    me = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    seen = await call("POST", me, {"metadata": {}}, expect=201, **headers)
    assert seen["status"]["userInfo"]["username"] == "system:serviceaccount:default:sa"
    refused = await call("GET", PODS, expect=403, **headers)
    assert 'cannot list resource "pods" in API group ""' in refused["message"]
    await call("GET", PODS, expect=401, authorization="Bearer nonsense")


async def test_approval_sets_conditions_alone(call):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "u")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = base64.b64encode(csr.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": pem, "signerName": "example.com/s", "usages": ["client auth"]}
    await call("POST", CSRS, {"metadata": {"name": "c"}, "spec": spec}, expect=201)
    condition = {"type": "Approved", "status": "True", "reason": "R", "message": "m"}
    body = {"status": {"certificate": "eA==", "conditions": [condition]}}
    path = CSRS + "/c/approval"
    done = await call("PATCH", path, body, content_type=MERGE, expect=200)
    assert done["status"]["conditions"][0]["type"] == "Approved"
    assert "certificate" not in done["status"]


async def test_a_user_without_rights_is_told_so(call):
    call.user = User("jane", ("system:authenticated",))
    refused = await call("GET", PODS, expect=403)
    assert refused["message"] == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )
    await call("GET", "/version", expect=200)


def test_a_status_update_leaves_approval_where_it_stands() -> None:
    approved, other = {"type": "Approved", "status": "True"}, {"type": "Ours", "status": "True"}
    old = {"status": {"conditions": [approved]}}
    forged = {"type": "Approved", "status": "True", "message": "me"}
    for sent, stored in (
        ([forged, other], [approved, other]),
        ([other], [other, approved]),
        ([{"type": "Denied", "status": "True"}, approved], [approved]),
    ):
        new = {"status": {"conditions": sent}}
        certificates.prepare_status_update(new, old)
        assert new["status"]["conditions"] == stored
