# SPDX-License-Identifier: Apache-2.0
"""When probes are made, and what they come to: ready, started, failed, by container id.

One task for each probe of a running container. Thresholds, initial values and pauses are
upstream's. Hollow containers are asked what a stage says something about, and pass all else at once.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pybernetes.apimachinery.types import Object
from pybernetes.base import metrics
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.cri.types import Container, CriError, Runtime
from pybernetes.kubelet import naming
from pybernetes.kubelet.naming import UNFORESEEN
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.probes.checks import Finding, ProbeError, Target, check

KINDS = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}
EVERY_SECOND: Object = {"periodSeconds": 1, "failureThreshold": 1}  # of hollow containers without
_SHOWN = {"startup": "Startup", "readiness": "Readiness", "liveness": "Liveness"}


@dataclass(slots=True)
class _Probed:
    """One running container and its probes."""

    uid: str
    gate: asyncio.Event | None  # set once its startup probe has passed; None: it has none
    ready: bool
    failed: str = ""  # "liveness" or "startup"
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def started(self) -> bool:
        return self.gate is None or self.gate.is_set()


@dataclass(frozen=True, slots=True)
class _Job:
    pod: Callable[[], Object]
    spec: Object
    probe: Object
    container: Container
    kind: str


class Probes:
    """`follow` starts and stops probes; `on_result(uid)` is called when an outcome changes."""

    def __init__(
        self, env: Env, runtime: Runtime, recorder: Recorder, state: Callable[[str], PodState]
    ) -> None:
        self._env = env
        self._runtime = runtime
        self._recorder = recorder
        self._state = state
        self._probed: dict[str, _Probed] = {}
        self._group: TaskGroup | None = None
        self._born = env.clock.time()
        self.on_result: Callable[[str], None] = lambda _: None
        self._total = metrics.counter(
            env,
            "prober_probe_total",
            "Cumulative number of a liveness, readiness or startup probe for a container by result.",
            ("probe_type", "result"),
        )

    async def run(self) -> None:
        async with TaskGroup("probes") as group:
            self._group = group
            await asyncio.get_running_loop().create_future()

    def ready(self, uid: str) -> Mapping[str, bool]:
        """Readiness of this pod's running containers."""
        return {key: one.ready for key, one in self._probed.items() if one.uid == uid}

    def started(self, uid: str) -> Mapping[str, bool]:
        return {key: one.started for key, one in self._probed.items() if one.uid == uid}

    def failed(self, uid: str) -> Mapping[str, str]:
        return {k: one.failed for k, one in self._probed.items() if one.uid == uid and one.failed}

    def is_started(self, container_id: str) -> bool:
        found = self._probed.get(container_id)
        return found is not None and found.started

    def follow(self, pod: Object, state: PodState, latest: Callable[[], Object]) -> None:
        """Probe what runs now, and nothing else. `latest()` is the newest version of the pod."""
        running = {c.id: c for c in state.containers if c.state == "running"}
        for gone in [k for k, p in self._probed.items() if p.uid == state.uid and k not in running]:
            self._drop(gone)
        for container in running.values():
            spec = naming.find_container(pod, container.name)
            if container.id not in self._probed and spec is not None:
                self._add(pod, spec, container, latest)

    def stop(self, uid: str, *, all_kinds: bool = True) -> None:
        """The pod ends: no more probes (`all_kinds` False: readiness goes on)."""
        for key in [key for key, one in self._probed.items() if one.uid == uid]:
            if all_kinds:
                self._drop(key)
            else:
                self._probed[key].failed = ""
                for task in self._probed[key].tasks:
                    if "readiness" not in task.get_name():
                        task.cancel()

    def _drop(self, container_id: str) -> None:
        for task in self._probed.pop(container_id).tasks:
            task.cancel()

    def _add(
        self, pod: Object, spec: Object, container: Container, latest: Callable[[], Object]
    ) -> None:
        kinds = {kind: spec.get(name) or EVERY_SECOND for kind, name in KINDS.items()}
        if self._runtime.hollow:
            asked: Collection[str] = self._runtime.hollow.probed(container.id, list(KINDS))
        else:
            asked = [kind for kind, probe in kinds.items() if probe is not EVERY_SECOND]
        gate = asyncio.Event() if "startup" in asked else None
        one = _Probed(naming.uid(pod), gate, "readiness" not in asked)
        told = naming.statuses_of(pod)
        before = next((s for s in told if s.get("containerID", "").endswith(container.id)), None)
        if container.started_at / 1e9 < self._born and before:
            one.ready = one.ready or bool(before.get("ready"))  # we were restarted, it was not
            if before.get("started") and gate is not None:
                gate.set()
        self._probed[container.id] = one
        for kind in asked:
            job = _Job(latest, spec, kinds[kind], container, kind)
            if self._group is not None:
                label = f"{container.name}-{kind}"
                one.tasks.append(self._group.start(self._probe(one, job), label))

    async def _probe(self, one: _Probed, job: _Job) -> None:
        """Ask again and again; a result counts once its threshold is reached."""
        delay = float(job.probe.get("initialDelaySeconds") or 0)
        await asyncio.sleep(delay - (self._env.clock.time() - job.container.started_at / 1e9))
        if job.kind == "startup" and one.started:
            return
        if job.kind != "startup" and one.gate is not None:
            await one.gate.wait()
        last, run = "", 0
        while True:
            finding = await self._ask(one, job)
            if finding is not None:
                result = "failure" if finding.result == "failure" else "success"
                run = run + 1 if result == last else 1
                last = result
                threshold = "failureThreshold" if result == "failure" else "successThreshold"
                default = 3 if result == "failure" else 1
                if run >= int(job.probe.get(threshold) or default):
                    self._set(one, job.kind, result == "success")
                    if job.kind == "startup" or one.failed:
                        return
            await asyncio.sleep(float(job.probe.get("periodSeconds") or 10))

    async def _ask(self, one: _Probed, job: _Job) -> Finding | None:
        """One probe; None: it errored and does not count."""
        pod = job.pod()
        ips = self._state(one.uid).ips
        status = pod.get("status") or {}
        ip = ips[0] if ips else status.get("podIP") or status.get("hostIP") or "127.0.0.1"
        target = Target(job.spec, job.container.id, ip)
        shown = _SHOWN[job.kind]
        try:
            if hollow := self._runtime.hollow:
                passed = hollow.probe(job.container.id, job.kind)
                finding = Finding("success") if passed else Finding("failure", "a stage says so")
            else:
                finding = await check(self._env, self._runtime, job.probe, target)
        except (CriError, ProbeError, *UNFORESEEN) as error:
            message = f"{shown} probe errored and resulted in unknown state: {error}"
            self._event(pod, job, "Unhealthy", message)
            self._total.labels(shown, "unknown").inc()
            return None
        if finding.result == "failure":
            self._event(pod, job, "Unhealthy", f"{shown} probe failed: {finding.output}")
        elif finding.result == "warning":
            self._event(pod, job, "ProbeWarning", f"{shown} probe warning: {finding.output}")
        self._total.labels(shown, "failed" if finding.result == "failure" else "successful").inc()
        return finding

    def _set(self, one: _Probed, kind: str, passed: bool) -> None:
        before = (one.ready, one.started, one.failed)
        if kind == "readiness":
            one.ready = passed
        elif not passed:
            one.failed = kind
        elif kind == "startup" and one.gate is not None:
            one.gate.set()
        if before != (one.ready, one.started, one.failed):
            self.on_result(one.uid)

    def _event(self, pod: Object, job: _Job, reason: str, message: str) -> None:
        path = naming.field_path(pod, job.container.name)
        self._recorder.event(pod, "Warning", reason, message, field_path=path)
