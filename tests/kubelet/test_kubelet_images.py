# SPDX-License-Identifier: Apache-2.0
"""Image names, pull secrets, and pulls that fail, on the real node (no registry is reachable)."""

import base64
import json
from types import SimpleNamespace

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.env import Env
from pybernetes.cri.types import CriError
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.images import _REFERENCE, Images, _matching
from pybernetes.kubelet.record import StartError, Waiting


def secret(server):
    auths = {"auths": {server: {"username": "me", "password": "x", "email": "no"}}}
    return {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}


@pytest.mark.parametrize(
    ("server", "reference", "found"),
    [
        ("r.io", "r.io/x/y:1", True),
        ("https://r.io/v1/", "r.io/x/y:1", True),
        ("*.example.com", "r.example.com/x:1", True),
        ("*.example.com", "a.r.example.com/x:1", False),
        ("r.io/x", "r.io/x/y:1", True),
        ("r.io/x", "r.io/xx/y:1", False),
        ("https://index.docker.io/v1/", "busybox:latest", True),
        ("r.io", "busybox:latest", False),
    ],
)
def test_which_pull_secret_is_for_which_image(server, reference, found):
    credentials = [{"username": "me", "password": "x"}] if found else []
    assert list(_matching(secret(server), reference)) == credentials


def test_image_names():
    good = ("busybox:latest", "r.io:5000/x/y:V1", "docker.io/library/busybox@sha256:abc")
    assert all(_REFERENCE.fullmatch(name) for name in good)
    assert not any(_REFERENCE.fullmatch(name) for name in ("a b", "Upper:1", "/x:1", "r.io/Up:1"))


async def test_pull_secrets_that_cannot_be_read_are_told_and_left_out():
    secrets = {"good": secret("r.io"), "odd": {".dockerconfigjson": "bm90IGpzb24="}}
    told = []

    async def lookup(gvr, namespace, name):
        if name not in secrets:
            raise ApiError(404, "NotFound", "no such secret")
        return {"data": secrets[name]}

    recorder = SimpleNamespace(event=lambda pod, *event: told.append(event))
    images = Images(Env(), None, recorder, Config("n"), lookup=lookup)
    names = [{"name": name} for name in ("gone", "good", "odd", "")]
    pod = {"metadata": {"namespace": "n"}, "spec": {"imagePullSecrets": names}}
    found = await images._credentials(pod, "r.io/x:1")
    assert found == [{"username": "me", "password": "x"}]
    text = (
        "Unable to retrieve some image pull secrets (gone, odd); attempting to pull the image may"
    )
    assert told == [("Warning", "FailedToRetrieveImagePullSecret", f"{text} not succeed.")]


@pytest.mark.parametrize("secrets", [{}, {"one": secret("r.io"), "two": secret("*.io")}])
async def test_refused_credentials_are_not_followed_by_a_try_without_any(secrets):
    tried, told = [], []

    async def lookup(gvr, namespace, name):
        return {"data": secrets[name]}

    async def absent(reference):
        return None

    async def pull(reference, auth, sandbox):
        tried.append(auth)
        raise CriError("401 Unauthorized" if len(tried) == 1 else "403 Forbidden")

    runtime = SimpleNamespace(image_status=absent, pull_image=pull)
    recorder = SimpleNamespace(event=lambda pod, *event, **_: told.append(event[2]))
    images = Images(Env(), runtime, recorder, Config("n"), lookup=lookup)
    names = [{"name": name} for name in secrets]
    metadata = {"namespace": "n", "name": "p", "uid": "u"}
    spec = {"imagePullSecrets": names, "containers": [{"name": "c", "image": "r.io/x:1"}]}
    with pytest.raises(StartError) as caught:
        await images.ensure({"metadata": metadata, "spec": spec}, spec["containers"][0])
    said = "[401 Unauthorized, 403 Forbidden]" if secrets else "401 Unauthorized"
    assert caught.value.waiting == Waiting("ErrImagePull", said)
    assert told[-1] == f'Failed to pull image "r.io/x:1": {said}'
    assert tried == ([{"username": "me", "password": "x"}] * 2 if secrets else [None])


@pytest.mark.node
@pytest.mark.asyncio(loop_scope="session")
async def test_images_that_cannot_be_had(node):
    pods = {
        "wrong": {"image": "Not/Valid"},
        "never": {"image": "no/such", "imagePullPolicy": "Never"},
        "gone": {"image": "127.0.0.1:1/no/such:1"},
        "always": {"image": "127.0.0.1:1/no/such:2", "imagePullPolicy": "Always"},
    }
    for name, container in pods.items():
        await node.run(name, container)
    for name, reason in (
        ("wrong", "InvalidImageName"),
        ("never", "ErrImageNeverPull"),
        ("gone", "ImagePullBackOff"),
        ("always", "ImagePullBackOff"),
    ):
        await node.wait(name, lambda one, r=reason: one["state"]["waiting"]["reason"] == r)
    await node.wait_event("gone", "Failed", "Failed to pull image")
    await node.wait_event("gone", "BackOff", 'Back-off pulling image "127.0.0.1:1/no/such:1"')
