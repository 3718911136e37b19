# SPDX-License-Identifier: Apache-2.0
"""The user's side of a world that breaks: what is asked for, changed and lost, at random moments."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.cri.stagefile import parse
from tests.simulation.breaking import ChaosWorld

Object = dict[str, Any]
DEPLOYMENTS, STATEFUL_SETS = GVR("apps", "v1", "deployments"), GVR("apps", "v1", "statefulsets")
JOBS = GVR("batch", "v1", "jobs")
PODS, SERVICES = GVR("", "v1", "pods"), GVR("", "v1", "services")
STAGES = parse("stages:\n- {match: {labels: finite}, run: {for: {between: [1s, 8s]}}}\n")
STORM = 60.0  # virtual seconds of faults
COMPLETIONS = 3
ASKS = "800m"  # CPU of a pod: five fill a node, nine are there in the end


def workload(name: str, replicas: int | None, **more: Any) -> Object:
    labels = {"app": name}
    resources = {"requests": {"cpu": ASKS}}
    main = {"name": "main", "image": "example.org/x:1", "resources": resources}
    spec: Object = {"containers": [main]}
    spec["terminationGracePeriodSeconds"] = 2
    template = {"metadata": {"labels": labels}, "spec": spec}
    found: Object = {"template": template, **more}
    if replicas is not None:
        found |= {"replicas": replicas, "selector": {"matchLabels": labels}}
    return {"metadata": {"name": name}, "spec": found}


def job() -> Object:
    made = workload("batch", None, completions=COMPLETIONS, parallelism=2, backoffLimit=100)
    made["spec"]["template"]["metadata"]["labels"]["finite"] = "yes"
    made["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    return made


async def insist(act: Callable[[], Awaitable[Any]], *done: int) -> Any:
    """Until it is carried out; `done`: codes that say it was, by a try whose answer got lost."""
    while True:
        try:
            return await act()
        except ApiError as error:
            if error.code in done:
                return None
            if error.code not in (409, 403, 429, 500, 503, 504):
                raise
        except (ConnectionError, TimeoutError):
            pass
        await asyncio.sleep(0.5)


class Story:
    """The user's side: what is asked for, at random moments. `web` and `db` pods must be there in the end."""

    def __init__(self, world: ChaosWorld) -> None:
        self.world, self.client = world, world.client
        self.random = world.env.random.child("story")
        self.web, self.db = 2 + self.random.below(4), 1 + self.random.below(4)

    async def create(self, gvr: GVR, obj: Object) -> None:
        await insist(lambda: self.client.create(gvr, obj, "default"), 409)

    async def patch(self, gvr: GVR, name: str, change: Object) -> None:
        await insist(lambda: self.client.patch(gvr, name, change, "default"))

    async def tell(self) -> None:
        await self.world.fleet.wait_ready()
        await self.create(DEPLOYMENTS, workload("web", 2))
        await self.create(DEPLOYMENTS, workload("doomed", 2))
        await self.create(STATEFUL_SETS, workload("db", 2, serviceName="db"))
        await self.create(JOBS, job())
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        await self.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec})
        acts = [self.new_version, self.scale_web, self.scale_db, self.end, self.lose_a_pod]
        acts += [self.lose_a_pod, self.lose_a_node]
        while acts:
            await asyncio.sleep(self.random.uniform(0, STORM / 8))
            await acts.pop(self.random.below(len(acts)))()

    async def new_version(self) -> None:
        containers = [{"name": "main", "image": "example.org/x:2"}]
        await self.patch(
            DEPLOYMENTS, "web", {"spec": {"template": {"spec": {"containers": containers}}}}
        )

    async def scale_web(self) -> None:
        await self.patch(DEPLOYMENTS, "web", {"spec": {"replicas": self.web}})

    async def scale_db(self) -> None:
        await self.patch(STATEFUL_SETS, "db", {"spec": {"replicas": self.db}})

    async def end(self) -> None:
        options = {"propagationPolicy": self.random.choice(["Background", "Foreground"])}
        await insist(
            lambda: self.client.delete(DEPLOYMENTS, "doomed", "default", options=options), 404
        )

    async def lose_a_pod(self) -> None:
        pods = (
            await insist(
                lambda: self.client.list(PODS, "default", label_selector="app in (web,db)")
            )
        ).items
        if pods:
            name = self.random.choice(pods)["metadata"]["name"]
            await insist(lambda: self.client.delete(PODS, name, "default"), 404)

    async def lose_a_node(self) -> None:
        name = self.random.choice(list(self.world.fleet.handlers))
        self.world.fleet.stop(name)
        await asyncio.sleep(self.random.uniform(0.1, 20))
        self.world.fleet.start(name)
