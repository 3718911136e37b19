# SPDX-License-Identifier: Apache-2.0
"""Life-cycle hooks: postStart and preStop by exec, httpGet or sleep."""

import asyncio

from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.cri.types import CriError, Runtime
from pybernetes.kubelet.probes.checks import ProbeError, Target, http

HTTP_TIMEOUT = 30.0
AGENT = "kube-lifecycle/1.37"


class HookError(Exception):
    """The hook failed; the text is upstream's."""


async def run(env: Env, runtime: Runtime, hook: Object, target: Target) -> None:
    """Run one handler to its end. Raises HookError."""
    if runtime.hollow:
        return
    if "exec" in hook:
        await _exec(runtime, hook["exec"].get("command", ()), target)
    elif "httpGet" in hook:
        await _http(env, hook["httpGet"], target)
    elif "sleep" in hook:
        await asyncio.sleep(float(hook["sleep"].get("seconds") or 0))
    else:
        raise HookError(f"invalid handler: {', '.join(hook)}")


async def _exec(runtime: Runtime, command: list[str], target: Target) -> None:
    try:
        result = await runtime.exec_sync(target.container_id, command)
    except CriError as error:
        raise HookError(str(error)) from error
    if result.exit_code != 0:
        output = (result.stdout + result.stderr).decode(errors="replace")
        shown = " ".join(command)
        raise HookError(f"command '{shown}' exited with {result.exit_code}: {output}")


async def _http(env: Env, action: Object, target: Target) -> None:
    """Any answer will do; a server that speaks no TLS is asked again without."""
    try:
        finding = await http(env, action, target, HTTP_TIMEOUT, agent=AGENT)
        if action.get("scheme") == "HTTPS" and "WRONG_VERSION_NUMBER" in finding.output:
            finding = await http(
                env, {**action, "scheme": "HTTP"}, target, HTTP_TIMEOUT, agent=AGENT
            )
    except ProbeError as error:
        raise HookError(str(error)) from error
    if finding.result == "failure" and not finding.answered:
        raise HookError(finding.output)
