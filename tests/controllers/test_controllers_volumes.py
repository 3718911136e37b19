# SPDX-License-Identifier: Apache-2.0
"""Volumes and claims: bound, protected while in use, released, lost."""

import asyncio

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.controllers.volumebinder import plan

PODS = GVR("", "v1", "pods")
CLAIMS, VOLUMES = GVR("", "v1", "persistentvolumeclaims"), GVR("", "v1", "persistentvolumes")
CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")


def volume(name: str, size: str = "1Gi", **spec: object) -> Object:
    spec = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": f"/data/{name}"},
        **spec,
    }
    metadata = {"name": name, "labels": {"name": name}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def claim(name: str, size: str = "1Gi", **spec: object) -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        "storageClassName": "",
        **spec,
    }
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def late_class(provisioner: str, **more: str) -> Object:
    head = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}}
    return {**head, "provisioner": provisioner, **more}


def user_of(name: str) -> Object:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": volumes, "nodeName": "n"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": spec}


def phase(cluster, gvr: GVR, name: str, wanted: str):
    async def check() -> Object | None:
        namespace = "default" if gvr == CLAIMS else ""
        obj = await cluster.client.get(gvr, name, namespace)
        return obj if (obj.get("status") or {}).get("phase") == wanted else None

    return cluster.eventually(check)


def test_a_claim_gets_the_smallest_volume_that_fits(in_cluster) -> None:
    async def main(cluster) -> None:
        for one in (volume("big", "10Gi"), volume("fits", "2Gi"), volume("small", "1Gi")):
            await cluster.client.create(VOLUMES, one)
        await phase(cluster, VOLUMES, "big", "Available")
        await cluster.create(CLAIMS, claim("c", "2Gi"))
        bound = await phase(cluster, CLAIMS, "c", "Bound")
        assert bound["spec"]["volumeName"] == "fits"
        assert bound["status"]["capacity"] == {"storage": "2Gi"}
        taken = await phase(cluster, VOLUMES, "fits", "Bound")
        assert taken["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]
        await cluster.client.delete(CLAIMS, "c", "default")
        await phase(cluster, VOLUMES, "fits", "Released")

    in_cluster(main)


def test_selectors_classes_and_claims_that_wait(in_cluster) -> None:
    late = late_class("kubernetes.io/no-provisioner", volumeBindingMode="WaitForFirstConsumer")

    async def main(cluster) -> None:
        await cluster.client.create(CLASSES, late)
        await cluster.create(CLAIMS, claim("c", storageClassName="late"))
        await cluster.client.create(VOLUMES, volume("v", storageClassName="late"))
        picky = claim("p", selector={"matchLabels": {"name": "w"}})
        await cluster.create(CLAIMS, picky)
        await asyncio.sleep(10)
        await phase(cluster, VOLUMES, "v", "Available")
        await cluster.create(PODS, user_of("c"))
        await phase(cluster, CLAIMS, "c", "Bound")
        await cluster.client.create(VOLUMES, volume("w"))
        found = await phase(cluster, CLAIMS, "p", "Bound")
        assert found["spec"]["volumeName"] == "w"

    in_cluster(main)


def test_what_is_in_use_stays_until_it_is_not(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.client.create(VOLUMES, volume("v"))
        await cluster.create(CLAIMS, claim("c"))
        await phase(cluster, CLAIMS, "c", "Bound")
        await cluster.create(PODS, user_of("c"))
        await cluster.client.delete(CLAIMS, "c", "default")
        await cluster.client.delete(VOLUMES, "v")
        await asyncio.sleep(30)
        assert not await cluster.gone(CLAIMS, "c")
        await cluster.client.delete(PODS, "user", "default")
        await cluster.eventually(lambda: cluster.gone(CLAIMS, "c"))
        await cluster.eventually(lambda: cluster.gone(VOLUMES, "v", ""))

    in_cluster(main)


def test_an_attributes_class_stays_while_a_volume_has_it(in_cluster) -> None:
    one = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttributesClass",
        "metadata": {"name": "fast"},
        "driverName": "d",
        "parameters": {"iops": "1"},
    }
    gvr = GVR("storage.k8s.io", "v1", "volumeattributesclasses")
    csi = {"hostPath": None, "csi": {"driver": "d", "volumeHandle": "h"}}

    async def main(cluster) -> None:
        await cluster.client.create(gvr, one)
        await cluster.client.create(VOLUMES, volume("v", **csi, volumeAttributesClassName="fast"))
        await asyncio.sleep(5)
        await cluster.client.delete(gvr, "fast")
        await asyncio.sleep(10)
        assert not await cluster.gone(gvr, "fast", "")
        await cluster.client.delete(VOLUMES, "v")
        await cluster.eventually(lambda: cluster.gone(gvr, "fast", ""))

    in_cluster(main)


def test_a_claim_whose_volume_went_is_lost(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.client.create(VOLUMES, volume("v"))
        await cluster.create(CLAIMS, claim("c"))
        await phase(cluster, CLAIMS, "c", "Bound")
        await cluster.client.patch(VOLUMES, "v", {"metadata": {"finalizers": None}})
        await cluster.client.delete(VOLUMES, "v")
        await phase(cluster, CLAIMS, "c", "Lost")

    in_cluster(main)


def test_a_claim_waits_for_its_class(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(CLAIMS, claim("c", storageClassName="late"))
        await asyncio.sleep(5)
        await cluster.client.create(CLASSES, late_class("example.org/disks"))

        async def asked() -> bool:
            found = await cluster.client.get(CLAIMS, "c", "default")
            return "volume.kubernetes.io/storage-provisioner" in found["metadata"].get(
                "annotations", {}
            )

        await cluster.eventually(asked, 30)

    in_cluster(main)


def test_a_volume_is_not_said_to_be_available_while_it_is_bound() -> None:
    bound = {"spec": {"claimRef": {"uid": "u"}}, "status": {"phase": "Bound"}}
    bound["metadata"] = {"name": "v"}
    asks = {"metadata": {"uid": "u"}, "spec": {}}  # the claim's own half is still to be written
    assert plan.volume_phase(bound, asks) == ("Bound", "")
    assert plan.volume_phase(bound, {**asks, "spec": {"volumeName": "w"}}) == ("Available", "")
