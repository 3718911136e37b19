# SPDX-License-Identifier: Apache-2.0
"""Own writes that a cache has not seen yet, and how their key comes back."""

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.client.informer import Informer
from pybernetes.client.reflector import Scope
from pybernetes.controllers.runtime.writes import Writes


def pod(revision: int) -> Object:
    metadata = {"namespace": "n", "name": "p", "uid": "u", "resourceVersion": str(revision)}
    return {"metadata": metadata}


def test_what_came_and_went_unseen_does_not_hold_up_its_key() -> None:
    async def main(env: Env) -> None:
        woken: list[str] = []
        informer = Informer(Scope(GVR("", "v1", "pods")))
        writes = Writes(env.clock, informer, woken.append)
        informer.replace([], "3")
        writes.wrote("owner", pod(5))
        assert not writes.seen("owner")
        informer.replace([], "4")  # a list that is too old
        assert not writes.seen("owner")
        informer.replace([], "9")  # it was deleted before: no event will ever tell
        assert woken == ["owner", "owner"]
        assert writes.seen("owner")

    virtualtime.run(main)
