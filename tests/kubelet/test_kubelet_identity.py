# SPDX-License-Identifier: Apache-2.0
"""Names, addresses, ports and namespaces of pods; credentials projected into them."""

import asyncio
import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR
from pybernetes.base import tls
from pybernetes.kubelet.naming import PODS, TRUST_BUNDLES

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
REQUESTS = GVR("certificates.k8s.io", "v1", "podcertificaterequests")
SHOW = "hostname; cat /etc/hosts /etc/resolv.conf; ps -o args"


async def test_names_hosts_files_resolvers_and_namespaces(node):
    once = {"restartPolicy": "Never"}
    aliases = [{"ip": "1.2.3.4", "hostnames": ["foo", "bar"]}]
    await node.run(
        "named", {"command": SHOW}, hostname="abc", subdomain="sub", setHostnameAsFQDN=True,
        hostAliases=aliases, dnsPolicy="None", shareProcessNamespace=True,
        dnsConfig={"nameservers": ["9.9.9.9"], "searches": ["a.b"],
                   "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}, **once,
    )  # fmt: skip
    await node.run("plain", {"command": SHOW}, **once)
    await node.run("host", {"command": f"{SHOW} | grep -c sh; cat /proc/1/comm; ip -o addr"},
                   hostNetwork=True, hostPID=True, hostIPC=True, hostAliases=aliases,
                   dnsPolicy="ClusterFirstWithHostNet", **once)  # fmt: skip
    await node.run(
        "override", {"command": "hostname"}, hostnameOverride="other.example.com", **once
    )
    await node.run("long", {"command": "true"}, hostname="x" * 40, subdomain="y" * 40,
                   setHostnameAsFQDN=True, **once)  # fmt: skip
    own = {"volumeMounts": [{"name": "v", "mountPath": "/etc/hosts", "subPath": "hosts"}]}
    write = {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "command": "echo mine > /v/hosts"}
    await node.run("hosts", {**own, "command": "cat /etc/hosts"}, initContainers=[write],
                   volumes=[{"name": "v", "emptyDir": {}}], **once)  # fmt: skip
    named = await node.output("named")
    ip = (await node.client.get(PODS, "named", "default"))["status"]["podIP"]
    assert named.startswith("abc.sub.default.svc.cluster.local\n# Kubernetes-managed hosts file.\n")
    assert f"{ip}\tabc.sub.default.svc.cluster.local\tabc\n" in named
    assert "1.2.3.4\tfoo\tbar\n" in named
    assert "search a.b\nnameserver 9.9.9.9\noptions ndots:2 edns0\n" in named
    assert "trap 'exit 0'" in named  # the pause container's processes are seen
    plain = await node.output("plain")
    assert "nameserver 10.202.0.10\noptions ndots:5\n" in plain
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in plain
    assert "trap 'exit 0'" not in plain
    host = await node.output("host")
    assert "10.201.0.1/" in host
    assert await node.output("override") == "other.example.com\n"
    assert await node.output("hosts") == "mine\n"
    await node.wait_event("long", "FailedCreatePodSandBox", "is too long (64 characters is the max")


async def test_host_ports_by_address_and_protocol(node):
    async def fetch(address, port):
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        found = await reader.read()
        writer.close()
        return found

    web = {"image": "pybernetes/web:1"}
    addresses = ("127.0.0.1", "10.201.0.1")
    for index, address in enumerate(addresses):
        port = {"containerPort": 80, "hostPort": 18080, "hostIP": address}
        env = [{"name": "GREETING", "value": f"web{index}"}]
        await node.run(f"web{index}", {**web, "ports": [port], "env": env})
    udp = {"containerPort": 80, "hostPort": 18080, "protocol": "UDP", "hostIP": "127.0.0.1"}
    await node.run("udp", {"command": "sleep 100", "ports": [udp]})
    await node.run("taken", {**web, "ports": [{"containerPort": 80, "hostPort": 18080}]})
    for index, address in enumerate(addresses):
        await node.wait(f"web{index}", lambda one: one["ready"])
        for _ in range(600):
            try:
                assert f"web{index} from".encode() in await fetch(address, 18080)
                break
            except OSError:
                await asyncio.sleep(0.05)
    await node.wait("udp", lambda one: one["ready"])
    taken = await node.wait_pod("taken", lambda pod: pod["status"]["phase"] == "Failed")
    assert taken["status"]["reason"] == "NodePorts"


async def test_trust_bundles_and_pod_certificates(node):
    clock = node.env.clock
    roots = [tls.new_ca(name, clock).certificate.decode() for name in ("one", "two")]
    signer = "example.com/pods"
    for index in range(2):
        await node.create(
            TRUST_BUNDLES, "ClusterTrustBundle", f"example.com:pods:v{index}", "",
            metadata={"labels": {"v": str(index)}},
            spec={"signerName": signer, "trustBundle": "junk\n".join(roots[: index + 1])},
        )  # fmt: skip
    bundle = {"clusterTrustBundle": {"signerName": signer, "path": "all.pem", "labelSelector": {}}}
    one = {"clusterTrustBundle": {"name": "example.com:pods:v1", "path": "one.pem"}}
    none = {"clusterTrustBundle": {"name": "absent", "path": "none.pem", "optional": True}}
    mine = {"podCertificate": {"signerName": signer, "keyType": "ECDSAP256",
                               "credentialBundlePath": "me.pem", "maxExpirationSeconds": 3600}}  # fmt: skip
    volumes = [{"name": "v", "projected": {"sources": [bundle, one, none, mine]}}]
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    look = "cd /v; grep -c BEGIN one.pem all.pem none.pem; grep junk one.pem; while :; do cat me.pem; sleep 0.3; done"
    await node.run("cert", {**mount, "command": look}, volumes=volumes)
    missing = {**bundle["clusterTrustBundle"], "labelSelector": {"matchLabels": {"v": "9"}}}
    for name, seconds in ((signer, 91 * 86400), ("x.kubernetes.io/y", 86400)):
        long = {**mine["podCertificate"], "signerName": name, "maxExpirationSeconds": seconds + 1}
        with pytest.raises(ApiError, match=f"maxExpirationSeconds must be <= {seconds}"):
            await node.run("long", mount, volumes=[
                {"name": "v", "projected": {"sources": [{"podCertificate": long}]}}])  # fmt: skip
    await node.run("none", mount, volumes=[
        {"name": "v", "projected": {"sources": [{"clusterTrustBundle": missing}]}}])  # fmt: skip

    first = await issue(node)
    await node.wait_pod("cert", lambda pod: pod["status"]["phase"] == "Running")
    log = await node.wait_log("cert", first)
    assert "-----BEGIN PRIVATE KEY-----" in log
    assert log.startswith("one.pem:2\nall.pem:2\nnone.pem:0\n-")
    (known,) = node.kubelet.tools.certificates._known.values()
    assert known.refresh_at > clock.time() + 3600
    known.refresh_at = 0.0  # the time has come: a new key, the old one serves until then
    second = await issue(node)
    assert second != first
    log = await node.wait_log("cert", second)
    keys = {part.split("-----END")[0] for part in log.split("-----BEGIN PRIVATE KEY-----")[1:]}
    assert len(keys) == 2
    await node.wait_event("none", "FailedMount", "matched zero ClusterTrustBundles")


async def issue(node):
    """Sign the newest request, as a signer in the cluster would; the chain."""
    waiting = []
    for _ in range(200):
        found = (await node.client.list(REQUESTS, "default")).items
        waiting = [item for item in found if not (item.get("status") or {}).get("conditions")]
        if waiting:
            break
        await asyncio.sleep(0.05)
    request, now = waiting[0], node.env.clock.now()
    spec = request["spec"]
    assert (spec["podName"], spec["nodeName"]) == ("cert", "real")
    chain = _leaf(base64.b64decode(spec["stubPKCS10Request"]), now)
    issued = {"type": "Issued", "status": "True", "reason": "Test", "message": "",
              "lastTransitionTime": rfc3339(now)}  # fmt: skip
    request["status"] = {
        "certificateChain": chain, "notBefore": rfc3339(now), "conditions": [issued],
        "beginRefreshAt": rfc3339(now + datetime.timedelta(days=1)),
        "notAfter": rfc3339(now + datetime.timedelta(days=2)),
    }  # fmt: skip
    await node.client.update(REQUESTS, request, "default", subresource="status")
    return chain


def _leaf(der, now):
    proof = x509.load_der_x509_csr(der)
    assert proof.is_signature_valid
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pod")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(proof.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
