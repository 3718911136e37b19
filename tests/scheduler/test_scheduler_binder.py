# SPDX-License-Identifier: Apache-2.0
"""Bindings whose answer is lost: the pod keeps its place until it is known whether it is bound."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.client.events import Recorder
from pybernetes.client.types import Client
from pybernetes.scheduler.binder import Binder
from pybernetes.scheduler.config import SchedulerConfig
from pybernetes.scheduler.decision import Decision
from pybernetes.scheduler.podinfo import Templates

LOST, DOWN = ConnectionError("lost"), ApiError(503, "ServiceUnavailable", "down")
TAKEN, GONE = ApiError(409, "Conflict", "assigned already"), ApiError(404, "NotFound", "gone")


class Answers:
    """Gives one answer after the other."""

    def __init__(self, answers: Sequence[Exception | None]) -> None:
        self.left = list(answers)

    async def create(self, *_: Any, **__: Any) -> None:
        answer = self.left.pop(0)
        if answer is not None:
            raise answer


@pytest.mark.parametrize(
    ("answers", "bound"),
    [
        ([None], True),
        ([LOST, DOWN, TAKEN], True),
        ([LOST, None], True),
        ([LOST, GONE], False),
        ([TAKEN], False),
    ],
)
def test_a_binding_is_tried_until_it_is_answered(
    answers: list[Exception | None], bound: bool
) -> None:
    async def main(env: Env) -> float:
        client = Answers(answers)
        recorder = Recorder(env, cast("Client", client), "scheduler")
        metadata = {"name": "p", "namespace": "default", "uid": "u"}
        pod = Templates().info({"metadata": metadata, "spec": {"containers": []}})
        decision = Decision(pod, "n", 1, 1)
        binder = Binder(env, cast("Client", client), recorder, SchedulerConfig())
        failures = await binder.bind_many([decision])
        assert [one for one, _ in failures] == ([] if bound else [decision])
        assert not client.left
        return env.clock.monotonic()

    assert virtualtime.run(main) == len(answers) - 1
