# SPDX-License-Identifier: Apache-2.0
"""Who asks for a certificate is who was authenticated, whatever the request claims."""

import base64

from pybernetes.base import tls

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


async def test_a_client_cannot_name_another_requestor(call):
    request = tls.new_request(tls.new_key(), tls.Subject("system:node:n1", ["system:nodes"]))
    claimed = {"username": "system:node:n1", "groups": ["system:nodes"], "extra": {"a": ["b"]}}
    csr = {
        "metadata": {"name": "csr"},
        "spec": {
            "request": base64.b64encode(request).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
            **claimed,
        },
    }
    spec = (await call("POST", PATH, csr, expect=201))["spec"]
    assert spec["username"] == "admin"
    assert spec["groups"] == ["system:masters", "system:authenticated"]
    assert "extra" not in spec
