# SPDX-License-Identifier: Apache-2.0
"""Volumes as containers see them, on the real node: content, modes, owners, kinds, updates, links."""

import os

import pytest

from pybernetes.apimachinery.types import GVR
from pybernetes.kubelet.naming import CONFIG_MAPS, PODS, SECRETS

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
LOOK = "cd /v && for f in $(find . -type f | sort); do stat -c '%a %u:%g %n' $f; cat $f; echo; done"


def mount(name, path="/v", **more):
    return {"name": name, "mountPath": path, **more}


async def test_api_backed_volumes(node):
    await node.create(CONFIG_MAPS, "ConfigMap", "m", data={"a": "one", "b": "two"})
    await node.create(SECRETS, "Secret", "s", stringData={"k": "hidden"})
    downward = {"items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}},
    ]}  # fmt: skip
    sources = [
        {"configMap": {"name": "m", "items": [{"key": "a", "path": "sub/a", "mode": 0o400}]}},
        {"secret": {"name": "s"}},
        {"secret": {"name": "absent", "optional": True}},
        {"downwardAPI": downward},
        {"serviceAccountToken": {"path": "token"}},
    ]
    volumes = [
        {"name": "v", "projected": {"sources": sources, "defaultMode": 0o440}},
        {"name": "m", "configMap": {"name": "m", "defaultMode": 0o600}},
    ]
    look = f"{LOOK}; stat -c %a /m/..data/b; mount | grep -E ' /(v|m) '; touch /v/x"
    container = {"command": look, "volumeMounts": [mount("v"), mount("m", "/m")],
                 "resources": {"limits": {"cpu": "2"}}}  # fmt: skip
    user = {"runAsUser": 1000, "fsGroup": 2000}
    await node.run("v", container, volumes=volumes, securityContext=user, restartPolicy="Never",
                   metadata={"labels": {"x": "y"}})  # fmt: skip
    found = await node.output("v")
    for text in ('440 0:2000 ./..', '/sub/a\none\n', '/k\nhidden\n', '/labels\nx="y"\n', "/cpu\n2\n"):  # fmt: skip
        assert text in found
    assert "640 1000:2000 ./.." in found  # the token: for its user and group alone
    assert "tmpfs on /v type tmpfs (ro," in found
    assert "ext4 (ro," in found or "overlay on /m" in found or " on /m type" in found
    assert "Read-only file system" in found


async def test_kinds_of_volumes_and_what_is_refused_by_name(node, tmp_path):
    (tmp_path / "file").write_text("of the host")
    (tmp_path / "file").chmod(0o644)
    volumes = [
        {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}},
        {"name": "disk", "emptyDir": {}},
        {"name": "host", "hostPath": {"path": str(tmp_path / "file"), "type": "File"}},
        {"name": "made", "hostPath": {"path": str(tmp_path / "made"), "type": "DirectoryOrCreate"}},
        {"name": "image", "image": {"reference": "busybox", "pullPolicy": "IfNotPresent"}},
    ]
    mounts = [mount(item["name"], f"/{item['name']}") for item in volumes]
    mounts += [
        mount("image", "/passwd", subPath="etc/passwd"),
        mount("disk", "/expr", subPathExpr="$(POD)/deep"),
        mount("disk", "/mem/nested"),
    ]
    script = """df -k /mem | tail -1; stat -c '%a %n' /mem /disk /disk/p/deep; cat /host; touch /made/x /expr/y
        ls /disk/p/deep /image/bin/sh; touch /image/x; head -1 /passwd; ls /mem/nested"""
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    await node.run("p", {"command": script, "volumeMounts": mounts, "env": env},
                   volumes=volumes, restartPolicy="Never")  # fmt: skip
    refused = {
        "csi": {"csi": {"driver": "x.example.com"}},
        "ephemeral": {"ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}}},
        "kind": {"hostPath": {"path": str(tmp_path / "file"), "type": "Directory"}},
    }  # fmt: skip
    for name, source in refused.items():
        await node.run(name, {"volumeMounts": [mount("v")]}, volumes=[{"name": "v", **source}])
    missing = [{"name": "v", "image": {"reference": "no/such", "pullPolicy": "Never"}}]
    await node.run("image", {"volumeMounts": [mount("v")]}, volumes=missing)
    memory = {"command": "df -k /v", "volumeMounts": [mount("v")],
              "resources": {"limits": {"memory": "32Mi"}}}  # fmt: skip
    await node.run("memory", memory, volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}],
                   restartPolicy="Never")  # fmt: skip
    assert " 32768 " in await node.output("memory")  # never more than the pod may have
    found = await node.output("p")
    assert "2048" in found
    assert "1777 /mem\n777 /disk\n777 /disk/p/deep\n" in found
    assert "of the host" in found
    assert "/disk/p/deep:\ny\n" in found
    assert "touch: /image/x: Read-only file system" in found
    assert "root:x:0:0" in found
    assert "\np\n" in found
    assert (tmp_path / "made" / "x").exists()
    await node.wait_event("csi", "FailedMount", "unsupported volume type: csi")
    await node.wait_event("ephemeral", "FailedMount", 'create the persistentvolumeclaim "ephemeral-v"')  # fmt: skip
    await node.wait_event("kind", "FailedMount", "is not a directory")
    waiting = await node.wait("image", lambda one: "message" in one["state"]["waiting"])
    assert waiting["state"]["waiting"]["reason"] == "ErrImageNeverPull"


async def test_updates_are_seen_in_place_and_a_restart_binds_sub_paths_anew(node):
    await node.create(CONFIG_MAPS, "ConfigMap", "u", data={"k": "old"})
    volumes = [{"name": "u", "configMap": {"name": "u"}}]
    container = {
        "command": "cat /file; while ! grep -q new /v/k; do sleep 0.1; done; exit 1",
        "volumeMounts": [mount("u"), mount("u", "/file", subPath="k")],
    }
    await node.run("u", container, volumes=volumes)
    await node.wait("u", lambda one: "running" in one["state"])
    await node.client.patch(CONFIG_MAPS, "u", {"data": {"k": "new"}}, "default")
    await node.wait("u", lambda one: one["restartCount"] > 0)
    await node.wait_log("u", "new")


async def test_a_sub_path_cannot_lead_out_of_its_volume(node, tmp_path):
    (tmp_path / "secret").write_text("outside")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "link").symlink_to(tmp_path)
    (volume / "inner").symlink_to("real")
    (volume / "real").mkdir()
    volumes = [{"name": "v", "hostPath": {"path": str(volume)}}]
    await node.run("out", {"volumeMounts": [mount("v", subPath="link/new")]}, volumes=volumes)
    await node.run("in", {"command": "touch /v/made", "volumeMounts": [mount("v", subPath="inner")]},
                   volumes=volumes, restartPolicy="Never")  # fmt: skip
    waiting = await node.wait("out", lambda one: "message" in one["state"].get("waiting", {}))
    assert waiting["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    assert 'subPath for volumeMount "v" of container "c"' in waiting["state"]["waiting"]["message"]
    assert not (tmp_path / "new").exists()
    await node.output("in")
    assert (volume / "real" / "made").exists()


CLAIMS, VOLUMES = (GVR("", "v1", f"persistentvolume{end}") for end in ("claims", "s"))


def claimed(name, **more):
    return [{"name": "v", "persistentVolumeClaim": {"claimName": name, **more}}]


async def claim(node, name, path, mode="Filesystem"):
    """A claim, bound to a local volume."""
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]
    spec = {
        "capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"],
        "local": {"path": str(path)}, "volumeMode": mode, "persistentVolumeReclaimPolicy": "Retain",
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}, "storageClassName": "",
    }  # fmt: skip
    await node.create(VOLUMES, "PersistentVolume", name, "", spec=spec)
    spec = {"volumeName": name, "volumeMode": mode, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Mi"}}}  # fmt: skip
    await node.create(CLAIMS, "PersistentVolumeClaim", name, spec=spec)
    bound = {"status": {"phase": "Bound"}}
    await node.client.patch(CLAIMS, name, bound, "default", subresource="status")


async def test_persistent_volumes_fs_group_and_its_policy(node, tmp_path):
    for name in ("always", "once"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "file").write_text("x")
        (folder / "link").symlink_to("/etc/hostname")
        await claim(node, name, folder)
    once = tmp_path / "once"
    os.chown(once, -1, 2000)
    once.chmod(0o2775)
    before = os.stat("/etc/hostname")
    for name, policy in (("always", "Always"), ("once", "OnRootMismatch")):
        security = {"fsGroup": 2000, "fsGroupChangePolicy": policy}
        await node.run(name, {"command": LOOK, "volumeMounts": [mount("v")]}, volumes=claimed(name),
                       securityContext=security, restartPolicy="Never")  # fmt: skip
    assert "664 0:2000 ./file" in await node.output("always")
    assert "644 0:0 ./file" in await node.output("once")
    after = os.stat("/etc/hostname")
    assert (before.st_gid, before.st_mode) == (after.st_gid, after.st_mode)


async def test_mounts_propagate_and_are_read_only_to_the_bottom(node):
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}]
    maker = {
        "command": "mkdir -p /v/m; mount -t tmpfs t /v/m && echo deep > /v/m/f; sleep 100",
        "volumeMounts": [mount("v", mountPropagation="Bidirectional")],
        "securityContext": {"privileged": True},
    }
    seer = {
        "command": "until cat /v/m/f; do sleep 0.1; done; sleep 100",
        "volumeMounts": [mount("v", mountPropagation="HostToContainer")],
    }
    await node.run("prop", maker, seer, volumes=volumes)
    await node.wait_log("prop", "deep", container="c1")
    uid = (await node.client.get(PODS, "prop", "default"))["metadata"]["uid"]
    shared = node.config.pods_dir / uid / "volumes/kubernetes.io~emptydir/v"
    assert (shared / "m/f").read_text() == "deep\n"
    host = [{"name": "v", "hostPath": {"path": str(shared)}}]
    look = "touch /r/m/x; touch /s/m/x && echo writable"
    reader = {"command": look, "volumeMounts": [
        mount("v", "/r", readOnly=True, recursiveReadOnly="Enabled"),
        mount("v", "/s", readOnly=True)]}  # fmt: skip
    await node.run("rro", reader, volumes=host, restartPolicy="Never")
    found = await node.output("rro")
    assert "touch: /r/m/x: Read-only file system" in found
    assert "writable" in found  # plain readOnly does not reach what is mounted below


async def test_block_devices(node, tmp_path):
    device = f"/dev/{os.listdir('/sys/block')[0]}"
    await claim(node, "block", device, "Block")
    await claim(node, "folder", tmp_path, "Block")
    container = {
        "command": "ls -l /dev/x",
        "volumeDevices": [{"name": "v", "devicePath": "/dev/x"}],
    }
    await node.run(
        "block", container, volumes=claimed("block", readOnly=True), restartPolicy="Never"
    )
    await node.run("folder", container, volumes=claimed("folder"), restartPolicy="Never")
    assert (await node.output("block")).startswith("br")
    await node.wait_event("folder", "Failed", 'volume "v" is not a block device')
