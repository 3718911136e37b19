# SPDX-License-Identifier: Apache-2.0
"""Pod certificates that are refused, at once or later (tests/kubelet/test_kubelet_identity.py issues)."""

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base import virtualtime
from pybernetes.kubelet.podcertificates import PodCertificates
from pybernetes.kubelet.record import MountError

POD = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {}}
SOURCE = {"signerName": "example.com/pods", "keyType": "ED25519"}
NODE = {"metadata": {"name": "w1", "uid": "w"}}


class Client:
    def __init__(self, env, answer):
        self.env, self.answer, self.asked = env, answer, []

    async def get(self, gvr, name, namespace):
        return {"metadata": {"uid": "s"}}

    async def create(self, gvr, request, namespace):
        self.asked.append(self.env.clock.monotonic())
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"metadata": {"name": f"req-{len(self.asked)}"}}

    async def list(self, gvr, namespace, field_selector):
        return SimpleNamespace(items=[{"status": {"conditions": [self.answer]}}])


async def told(certificates, env, seconds):
    """What the volume is told, asked every two seconds."""
    said = []
    while env.clock.monotonic() < seconds:
        with pytest.raises((MountError, ApiError)) as caught:
            await certificates.get(POD, "v/me.pem", SOURCE)
        said.append(str(caught.value))
        await asyncio.sleep(2)
    return said


@pytest.mark.parametrize("kind", ["Denied", "Failed"])
def test_a_refusal_is_final(kind):
    async def main(env):
        client = Client(env, {"type": kind, "reason": "No", "message": "never"})
        said = await told(PodCertificates(env, client, lambda: NODE), env, 3600)
        text = f'permanently {kind.lower()}: reason="No" message="never"'
        assert (len(client.asked), set(said)) == (1, {f"PodCertificateRequest was {text}"})

    virtualtime.run(main)


def test_what_cannot_be_asked_for_is_tried_ever_less_often():
    async def main(env):
        client = Client(env, ApiError(403, "Forbidden", "not yours"))
        certificates = PodCertificates(env, client, lambda: NODE)
        said = await told(certificates, env, 3600)
        assert said[0] == "not yours"
        assert said[-1] == "credential bundle is not issued yet"
        pauses = [after - before for before, after in pairwise(client.asked)]
        assert len(client.asked) < 22  # of 1,800 looks
        assert max(pauses) > 500
        certificates.forget("u")
        await told(certificates, env, 3601)
        assert client.asked[-1] == 3600  # another pod of this name begins anew

    virtualtime.run(main)
