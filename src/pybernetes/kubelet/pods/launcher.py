# SPDX-License-Identifier: Apache-2.0
"""Starting sandboxes and containers of one pod."""

import contextlib
from collections.abc import Iterator

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.base import metrics
from pybernetes.cri.types import Config, CriError, Unsupported
from pybernetes.kubelet import naming, volumemanager
from pybernetes.kubelet.containers import configs, dns
from pybernetes.kubelet.containers.environment import ConfigError, Surroundings, environment
from pybernetes.kubelet.pods import hooks, killer, mounting, podcgroup
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.probes.checks import Target
from pybernetes.kubelet.record import MountError, Record, StartError, Waiting
from pybernetes.kubelet.tools import Tools

_TYPES = {"initContainers": "init_container", "ephemeralContainers": "ephemeral_container"}


async def mount_volumes(tools: Tools, record: Record, state: PodState) -> None:
    """Raises StartError (with the event written)."""
    pod = record.pod
    try:
        record.volumes = await volumemanager.mount(tools, pod, state.ips)
    except MountError as error:
        tools.event(pod, "Warning", "FailedMount", str(error))
        raise StartError(Waiting("ContainerCreating"), 2.0) from error
    except StartError as error:  # of an image volume
        record.waiting |= {item["name"]: error.waiting for item in naming.containers_of(pod)}
        raise
    record.volumes_at = tools.env.clock.monotonic()


async def start_sandbox(tools: Tools, record: Record, attempt: int) -> None:
    """Raises StartError (with the event written)."""
    pod = record.pod
    resolv, told = _resolv(tools, pod)
    for text in told:
        tools.event(pod, "Warning", "DNSConfigForming", text)
    try:
        config = configs.sandbox(pod, attempt, tools.config, resolv)
        if not tools.runtime.hollow:
            if pod["spec"].get("hostUsers") is False:
                raise Unsupported("user namespaces (hostUsers: false) are not supported here")
            await tools.env.offload.run(_make_folders, tools, pod)
            await tools.env.offload.run(podcgroup.create, tools.config, pod)
        await tools.runtime.run_sandbox(config, await _handler(tools, pod))
    except (CriError, ApiError, ConfigError) as error:
        message = f"Failed to create pod sandbox: {error}"
        tools.event(pod, "Warning", "FailedCreatePodSandBox", message)
        raise StartError(Waiting("ContainerCreating")) from error
    metrics.counter(tools.env, "kubelet_started_pods", "Pods started, or restarted.").inc()


def _resolv(tools: Tools, pod: Object) -> tuple[Config, list[str]]:
    """The pod's DNSConfig, and what is said of it."""
    node = tools.config
    return dns.fitting(dns.pod_dns(pod, tools.resolver, node.cluster_dns, node.cluster_domain))


async def _handler(tools: Tools, pod: Object) -> str:
    """The runtime handler of the pod's RuntimeClass. Raises ApiError."""
    name = pod["spec"].get("runtimeClassName")
    if not name:
        return ""
    return str((await tools.objects.cached(naming.RUNTIME_CLASSES, "", name))["handler"])


def _make_folders(tools: Tools, pod: Object) -> None:
    naming.log_dir(tools.config, pod).mkdir(parents=True, exist_ok=True, mode=0o755)
    tools.config.container_logs_dir.mkdir(parents=True, exist_ok=True)
    folder = naming.pod_dir(tools.config, naming.uid(pod))
    for name in ("volumes", "containers"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o750)


async def start_container(tools: Tools, record: Record, state: PodState, name: str) -> None:
    """Pull, create, start and run the postStart hook. Raises StartError."""
    pod = record.pod
    spec = naming.find_container(pod, name)
    sandbox = state.sandbox
    if spec is None or sandbox is None:
        return
    try:
        reference, image = await tools.images.ensure(pod, spec)
    except StartError as error:
        text = f"Error: {error.waiting.reason}"
        if error.waiting.message.startswith("Back-off"):
            text = "Error: ImagePullBackOff"
        tools.event(pod, "Warning", "Failed", text, container=name)
        raise
    attempt = _attempt(record, state, name)
    with _told(tools, pod, name, "CreateContainerConfigError"):
        env = await environment(pod, spec, _surroundings(tools, record, state))
        place = mounting.Place(record, spec, attempt, state.ips)
        rows: list[Config] = []
        devices: list[Config] = []
        if not tools.runtime.hollow:
            rows, devices = await tools.env.offload.run(mounting.prepare, tools, place, env)
        config = configs.container(
            pod,
            spec,
            tools.config,
            attempt=attempt,
            image=image,
            scope=env,
            memory=tools.memory,
            target_id=_target(spec, state),
        )
    if image is not None and not tools.runtime.hollow:
        reference = image.id or reference
    named = {"image": reference, "user_specified_image": spec.get("image", "")}
    config |= {"image": named, "mounts": rows, "devices": devices}
    sandbox_config = configs.sandbox(pod, sandbox.attempt, tools.config, _resolv(tools, pod)[0])
    with _told(tools, pod, name, "CreateContainerError"):
        container_id = await tools.runtime.create_container(sandbox.id, config, sandbox_config)
    tools.event(pod, "Normal", "Created", "Container created", container=name)
    with _told(tools, pod, name, "RunContainerError"):
        await tools.runtime.start_container(container_id)
    tools.event(pod, "Normal", "Started", "Container started", container=name)
    await _started(tools, record, (spec, config), container_id)
    hook = (spec.get("lifecycle") or {}).get("postStart")
    if hook:
        await _post_start(tools, record, hook, Target(spec, container_id, tools.address(state)))


@contextlib.contextmanager
def _told(tools: Tools, pod: Object, container: str, reason: str) -> Iterator[None]:
    """Why a container does not start, as an event and a StartError."""
    try:
        yield
    except (ConfigError, CriError, OSError) as error:
        tools.event(pod, "Warning", "Failed", f"Error: {error}", container=container)
        raise StartError(Waiting(reason, str(error))) from error


async def _started(
    tools: Tools, record: Record, what: tuple[Object, Config], container_id: str
) -> None:
    """Take note of it."""
    (spec, config), pod = what, record.pod
    name = spec["name"]
    about = "Containers started."
    started = metrics.counter(tools.env, "kubelet_started_containers", about, ("container_type",))
    started.labels(_TYPES.get(naming.group_of(pod, name), "container")).inc()
    record.resources[name] = spec.get("resources") or {}
    if not tools.runtime.hollow:
        await tools.env.offload.run(_link_log, tools, pod, config, container_id)


async def _post_start(tools: Tools, record: Record, hook: Object, target: Target) -> None:
    pod = record.pod
    try:
        await hooks.run(tools.env, tools.runtime, hook, target)
    except hooks.HookError as error:
        name = target.container["name"]
        text = "PostStartHook failed"
        tools.event(pod, "Warning", "FailedPostStartHook", text, container=name)
        running = await tools.runtime.container_status(target.container_id)
        message, grace = "FailedPostStartHook", record.grace()
        await killer.kill_container(tools, pod, running, message, grace=grace)
        raise StartError(Waiting("PostStartHookError", str(error))) from error


def _attempt(record: Record, state: PodState, name: str) -> int:
    """One more than the last instance's, also when the runtime has forgotten it."""
    latest = state.latest(name)
    if latest is not None:
        return naming.restart_count(latest) + 1
    if name in record.attempts:
        return record.attempts[name]
    status = naming.find_status(record.pod, name) or {}
    return int(status.get("restartCount", 0)) + 1 if status.get("containerID") else 0


def _target(spec: Object, state: PodState) -> str:
    """The id of the container whose processes an ephemeral container sees. Raises ConfigError."""
    name = spec.get("targetContainerName")
    if not name:
        return ""
    found = state.active(name)
    if found is None or found.state != "running":
        raise ConfigError(f"unable to find target container {name}")
    return found.id


def _surroundings(tools: Tools, record: Record, state: PodState) -> Surroundings:
    pod, ips = record.pod, state.ips
    if pod["spec"].get("hostNetwork"):
        ips = tuple(tools.config.node_ips)
    return Surroundings(
        lookup=tools.objects.fresh,
        services=tools.services(pod["metadata"]["namespace"]),
        volumes=record.volumes or {},
        node_ips=tools.config.node_ips,
        pod_ips=ips,
        allocatable=tools.allocatable(),
    )


def _link_log(tools: Tools, pod: Object, config: Config, container_id: str) -> None:
    """The link in the containers' log folder, named as log collectors expect."""
    namespace, name = naming.key(pod)
    container = config["metadata"]["name"]
    link = tools.config.container_logs_dir / f"{name}_{namespace}_{container}-{container_id}.log"
    link.unlink(missing_ok=True)
    folder = naming.log_dir(tools.config, pod).relative_to(tools.config.pod_logs_dir.parent)
    link.symlink_to(f"../{folder}/{config['log_path']}")  # so it holds wherever both are seen
