# SPDX-License-Identifier: Apache-2.0
"""Security contexts as the kernel sees them, and what this node refuses by name."""

import json

import pytest

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
STATUS = "id; grep -E 'Cap(Eff|Bnd)|NoNewPrivs|Seccomp:' /proc/self/status"


async def test_who_containers_are_and_what_they_may(node):
    once = {"restartPolicy": "Never"}
    tight = {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsUser": 7,
        "runAsGroup": 8, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]},
    }  # fmt: skip
    look = (
        "touch /x; ls /sys/firmware; echo 1 > /proc/sys/kernel/shm_rmid_forced; wc -c < /proc/keys"
    )
    await node.run(
        "tight", {"command": f"{STATUS}; {look}", "securityContext": tight}, **once,
        securityContext={"seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 70,
                         "supplementalGroups": [80]},
    )  # fmt: skip
    await node.run("plain", {"command": f"{STATUS}; touch /x && echo written"}, **once)
    loose = {"command": f"{STATUS}; ls /dev/mem", "securityContext": {"privileged": True}}
    await node.run("loose", loose, **once)
    sysctls = [{"name": "net.ipv4.ip_local_port_range", "value": "2000 3000"},
               {"name": "kernel.shm_rmid_forced", "value": "1"}]  # fmt: skip
    read = "cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced"
    await node.run("sysctl", {"command": read}, **once, securityContext={"sysctls": sysctls})
    found = await node.output("tight")
    assert "uid=7 gid=8 groups=8,70,80" in found
    for text in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000001", "NoNewPrivs:\t1",
                 "Seccomp:\t2", "touch: /x: Read-only file system",
                 "can't create /proc/sys/kernel/shm_rmid_forced"):  # fmt: skip
        assert text in found
    assert "\n0\n" in found  # /proc/keys is masked
    plain = await node.output("plain")
    assert "uid=0(root) gid=0(root)" in plain
    assert "NoNewPrivs:\t0\nSeccomp:\t0" in plain
    assert plain.endswith("written\n")
    assert "CapBnd:\t00000000a80425fb" in plain
    privileged = await node.output("loose")
    assert "CapBnd:\t00000000a80425fb" not in privileged
    assert (await node.output("sysctl")).split() == ["2000", "3000", "1"]


async def test_seccomp_profiles_of_the_node(node):
    folder = node.config.data / "seccomp"
    folder.mkdir(exist_ok=True)
    denied = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}
    (folder / "no-folders.json").write_text(json.dumps(profile))
    for name, file in (("own", "no-folders.json"), ("none", "absent.json")):
        security = {"seccompProfile": {"type": "Localhost", "localhostProfile": file}}
        await node.run(name, {"command": "mkdir /tmp/x"}, securityContext=security,
                       restartPolicy="Never")  # fmt: skip
    assert "Operation not permitted" in await node.output("own")
    await node.wait_event("none", "Failed", f'seccomp profile "{folder}/absent.json"')


async def test_what_is_refused_by_name(node):
    once = {"restartPolicy": "Never"}
    pods = {
        "unsafe": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]},
        "armor": {"appArmorProfile": {"type": "RuntimeDefault"}},
        "strict": {"supplementalGroupsPolicy": "Strict"},
    }
    for name, security in pods.items():
        await node.run(name, {"command": "true"}, securityContext=security, **once)
    await node.run("users", {"command": "true"}, hostUsers=False, **once)
    root = {"runAsNonRoot": True}
    await node.run("root", {"command": "true"}, securityContext=root, **once)
    await node.run("zero", {"command": "true", "securityContext": {"runAsUser": 0}},
                   securityContext=root, **once)  # fmt: skip
    reasons = {}
    for name in pods:
        pod = await node.wait_pod(name, lambda pod: pod["status"]["phase"] == "Failed")
        reasons[name] = pod["status"]["reason"]
    assert reasons == {
        "unsafe": "SysctlForbidden", "armor": "AppArmor",
        "strict": "SupplementalGroupsPolicyNotSupported",
    }  # fmt: skip
    await node.wait_event("users", "FailedCreatePodSandBox", "hostUsers: false")
    for name, text in (
        ("root", "container has runAsNonRoot and image will run as root"),
        ("zero", "container's runAsUser breaks non-root policy"),
    ):
        waiting = await node.wait(name, lambda one: "message" in one["state"].get("waiting", {}))
        assert waiting["state"]["waiting"]["reason"] == "CreateContainerConfigError"
        assert text in waiting["state"]["waiting"]["message"]
