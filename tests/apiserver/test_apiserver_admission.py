# SPDX-License-Identifier: Apache-2.0
"""The admission plugins, one request at a time through the whole chain."""

import asyncio

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import GVR, User
from pybernetes.apis.data.sections import document
from pybernetes.apis.resource import Resource
from pybernetes.apiserver.admission.plugin import Plugin
from pybernetes.apiserver.admission.registry import build
from pybernetes.apiserver.types import AdmissionRequest
from pybernetes.base.env import Env

KINDS = {
    "pods": ("", "Pod"),
    "nodes": ("", "Node"),
    "namespaces": ("", "Namespace"),
    "configmaps": ("", "ConfigMap"),
    "persistentvolumeclaims": ("", "PersistentVolumeClaim"),
    "serviceaccounts": ("", "ServiceAccount"),
    "priorityclasses": ("scheduling.k8s.io", "PriorityClass"),
    "ingresses": ("networking.k8s.io", "Ingress"),
    "leases": ("coordination.k8s.io", "Lease"),
    "certificatesigningrequests": ("certificates.k8s.io", "CertificateSigningRequest"),
}
KUBELET = User("system:node:n1", ("system:nodes",))


class Objects(dict):
    """A Reader over {(resource, namespace, name): object}."""

    def get(self, gvr, namespace, name):
        return super().get((gvr.resource, namespace, name))

    def list(self, gvr, namespace):
        return [o for (r, ns, _), o in self.items() if r == gvr.resource and namespace in ("", ns)]

    def put(self, resource, key, **fields):
        namespace, _, name = key.rpartition("/")
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
        fields["metadata"] = metadata | fields.pop("metadata", {})
        self[resource, namespace, name] = fields


class World:
    def __init__(self):
        self.objects = Objects()
        self.objects.put("namespaces", "ns", status={"phase": "Active"})
        self.objects.put("serviceaccounts", "ns/default")
        self.objects.put("nodes", "n1")
        self.allowed = set()
        self.chain = build(Env(), self.objects, self)

    def authorize(self, user, info):
        known = (info.verb, info.name) in self.allowed
        return ("allow" if known else "no-opinion", "")

    async def send(self, operation, resource, obj=None, **more):
        """What becomes of the object; raises ApiError."""
        resource, _, subresource = resource.partition("/")
        group, kind = KINDS[resource]
        schema = Schema("object")
        row = Resource(GVR(group, "v1", resource), kind, kind.lower(), True, schema)
        namespace = "" if resource in ("nodes", "namespaces", "priorityclasses") else "ns"
        request = AdmissionRequest(
            operation=operation,
            resource=row,
            name=more.get("name", ((obj or {}).get("metadata") or {}).get("name", "")),
            namespace=more.get("namespace", namespace),
            subresource=subresource,
            obj=obj or {},
            old=more.get("old") or {},
            user=more.get("user", User("jane")),
        )
        await self.chain.admit(request)
        await self.chain.validate(request)
        return request.obj

    async def refused(self, text, *args, **more):
        with pytest.raises(ApiError) as caught:
            await self.send(*args, **more)
        assert text in caught.value.message
        return caught.value


@pytest.fixture
def world():
    return World()


def pod(metadata=None, **spec):
    spec.setdefault("containers", [{"name": "c"}])
    return {"metadata": {"name": "p", **(metadata or {})}, "spec": spec}


async def test_a_plain_pod_gets_everything(world):
    spec = (await world.send("CREATE", "pods", pod()))["spec"]
    volume = spec["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"]["defaultMode"] == 420
    assert spec["containers"][0]["volumeMounts"] == [
        {
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            "name": volume["name"],
            "readOnly": True,
        }
    ]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert [item["key"] for item in spec["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    assert spec["tolerations"][0]["tolerationSeconds"] == 300


async def test_namespace_must_exist_and_live(world):
    error = await world.refused(
        "", "CREATE", "configmaps", {"metadata": {"name": "c"}}, namespace="x"
    )
    assert error.message == 'namespaces "x" not found'
    world.objects.put("namespaces", "ns", status={"phase": "Terminating"})
    error = await world.refused("", "CREATE", "configmaps", {"metadata": {"name": "c"}})
    assert error.message == (
        'configmaps "c" is forbidden: unable to create new content in namespace ns '
        "because it is being terminated"
    )
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"
    await world.send("UPDATE", "configmaps", {"metadata": {"name": "c"}}, old={})
    await world.refused("may not be deleted", "DELETE", "namespaces", name="kube-system")
    await world.send("DELETE", "namespaces", name="ns")


async def test_service_account_rules(world):
    account = {"imagePullSecrets": [{"name": "reg"}], "automountServiceAccountToken": False}
    world.objects.put("serviceaccounts", "ns/sa", **account)
    spec = (await world.send("CREATE", "pods", pod(serviceAccountName="sa")))["spec"]
    assert spec["imagePullSecrets"] == [{"name": "reg"}]
    assert "volumes" not in spec
    await world.refused(
        'pods "p" is forbidden: error looking up service account ns/no: '
        'serviceaccount "no" not found',
        "CREATE",
        "pods",
        pod(serviceAccountName="no"),
    )
    enforced = {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}
    world.objects.put("serviceaccounts", "ns/sa", metadata=enforced, secrets=[{"name": "ok"}])
    bad = pod(serviceAccountName="sa", volumes=[{"name": "v", "secret": {"secretName": "no"}}])
    await world.refused('secret.secretName="no" is not allowed', "CREATE", "pods", bad)


async def test_default_service_account_is_waited_for(world):
    del world.objects["serviceaccounts", "ns", "default"]
    asyncio.get_running_loop().call_later(
        0.01, lambda: world.objects.put("serviceaccounts", "ns/default")
    )
    assert (await world.send("CREATE", "pods", pod()))["spec"]["volumes"]


async def test_priority(world):
    world.objects.put("priorityclasses", "high", value=1000, preemptionPolicy="Never")
    world.objects.put("priorityclasses", "std", value=5, globalDefault=True)
    spec = (await world.send("CREATE", "pods", pod(priorityClassName="high")))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")
    spec = (await world.send("CREATE", "pods", pod()))["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == ("std", 5)
    text = "no PriorityClass with name nope was found"
    await world.refused(text, "CREATE", "pods", pod(priorityClassName="nope"))
    text = "the integer value of priority (7) must not be provided"
    await world.refused(text, "CREATE", "pods", pod(priorityClassName="high", priority=7))
    second = {"metadata": {"name": "other"}, "globalDefault": True}
    text = "PriorityClass std is already marked as default"
    await world.refused(text, "CREATE", "priorityclasses", second)


async def test_new_nodes_are_tainted(world):
    node = await world.send("CREATE", "nodes", {"metadata": {"name": "n2"}})
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    assert node["spec"]["taints"] == [taint]


LIMITS = [
    {
        "type": "Container",
        "default": {"cpu": "500m"},
        "defaultRequest": {"cpu": "100m"},
        "max": {"cpu": "1"},
        "min": {"memory": "10Mi"},
        "maxLimitRequestRatio": {"cpu": "5"},
    },
    {"type": "Pod", "max": {"cpu": "1"}},
    {"type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}},
]


async def test_limit_ranger(world):
    world.objects.put("limitranges", "ns/l", spec={"limits": LIMITS})
    memory = {"requests": {"memory": "10Mi"}}
    made = await world.send("CREATE", "pods", pod(containers=[{"name": "c", "resources": memory}]))
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"memory": "10Mi", "cpu": "100m"},
        "limits": {"cpu": "500m"},
    }
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": (
            "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
        )
    }
    two = {"name": "c", "resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Mi"}}}
    error = await world.refused("", "CREATE", "pods", pod(containers=[two]))
    assert error.message == (
        'pods "p" is forbidden: [minimum memory usage per Container is 10Mi, but request is 1Mi, '
        "maximum cpu usage per Container is 1, but limit is 2, "
        "cpu max limit to request ratio per Container is 5, but provided ratio is 20.000000, "
        "maximum cpu usage per Pod is 1, but limit is 2]"
    )
    claim = {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    text = "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
    await world.refused(text, "CREATE", "persistentvolumeclaims", claim)


async def test_storage(world):
    default = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    world.objects.put("storageclasses", "fast", metadata=default)
    claim = {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    made = await world.send("CREATE", "persistentvolumeclaims", claim)
    assert made["spec"]["storageClassName"] == "fast"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    bigger = {**made, "spec": {**made["spec"], "resources": {"requests": {"storage": "2Gi"}}}}
    text = "Only bound persistent volume claims can be expanded"
    await world.refused(text, "UPDATE", "persistentvolumeclaims", bigger, old=made)
    bound = {**made, "status": {"phase": "Bound"}}
    text = "the storageclass that provisions the pvc must support resize"
    await world.refused(text, "UPDATE", "persistentvolumeclaims", bigger, old=bound)
    world.objects.put("storageclasses", "fast", allowVolumeExpansion=True)
    await world.send("UPDATE", "persistentvolumeclaims", bigger, old=bound)


async def test_default_ingress_class(world):
    default = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    world.objects.put("ingressclasses", "web", metadata=default)
    made = await world.send("CREATE", "ingresses", {"metadata": {"name": "i"}})
    assert made["spec"]["ingressClassName"] == "web"


async def test_runtime_class(world):
    world.objects.put(
        "runtimeclasses",
        "vm",
        overhead={"podFixed": {"cpu": "10m"}},
        scheduling={"nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm"}]},
    )
    spec = (await world.send("CREATE", "pods", pod(runtimeClassName="vm")))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "10m"}, {"vm": "yes"})
    assert {"key": "vm"} in spec["tolerations"]
    for bad, text in (
        (pod(runtimeClassName="no"), 'RuntimeClass "no" not found'),
        (pod(runtimeClassName="vm", overhead={"cpu": "1"}), "doesn't match RuntimeClass's"),
        (pod(overhead={"cpu": "1"}), "without corresponding RuntimeClass defined Overhead"),
        (pod(runtimeClassName="vm", nodeSelector={"vm": "no"}), "conflict: runtimeClass.sched"),
    ):
        await world.refused(text, "CREATE", "pods", bad)


MIRROR = {"kubernetes.io/config.mirror": "x"}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "uid-n1", "controller": True}


async def test_kubelets_write_only_their_own(world):
    world.objects.put("pods", "ns/mine", spec={"nodeName": "n1"})
    world.objects.put("pods", "ns/other", spec={"nodeName": "n2"})
    mirror = pod({"annotations": MIRROR, "ownerReferences": [OWNER]}, nodeName="n1")
    await world.send("CREATE", "pods", mirror, user=KUBELET)
    await world.send("DELETE", "pods", name="mine", user=KUBELET)
    await world.send("CREATE", "nodes", {"metadata": {"name": "n1"}}, user=KUBELET)
    labels = {"node-restriction.kubernetes.io/x": "y", "a": "b", "kubernetes.io/os": "linux"}
    unowned = {"annotations": MIRROR}
    secret = pod(
        {"annotations": MIRROR, "ownerReferences": [OWNER]},
        nodeName="n1",
        imagePullSecrets=[{"name": "s"}],
    )
    for text, args in (
        ("can only create mirror pods", ("CREATE", "pods", pod(nodeName="n1"))),
        ("with an owner reference", ("CREATE", "pods", pod(unowned, nodeName="n1"))),
        ("that reference secrets", ("CREATE", "pods", secret)),
        ("not allowed to modify node", ("CREATE", "nodes", {"metadata": {"name": "n2"}})),
        (
            "not allowed to set the following labels: node-restriction.kubernetes.io/x",
            ("CREATE", "nodes", {"metadata": {"name": "n1", "labels": labels}}),
        ),
        ("with the same name", ("UPDATE", "leases", {"metadata": {"name": "n2"}})),
    ):
        space = "kube-node-lease" if args[1] == "leases" else "ns"
        await world.refused(text, *args, user=KUBELET, namespace=space)
    text = "can only delete pods with spec.nodeName set to itself"
    await world.refused(text, "DELETE", "pods", name="other", user=KUBELET)


async def test_kubelets_ask_tokens_only_for_their_pods(world):
    projected = {"sources": [{"serviceAccountToken": {"audience": "vault"}}]}
    volumes = [{"name": "v", "projected": projected}]
    world.objects.put("pods", "ns/mine", spec={"nodeName": "n1", "volumes": volumes})

    def ask(audience, **ref):
        bound = {"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": "uid-mine", **ref}
        obj = {"spec": {"audiences": [audience], "boundObjectRef": bound}}
        return ("CREATE", "serviceaccounts/token", obj)

    await world.send(*ask("vault"), name="sa", user=KUBELET)
    await world.refused('for audience "other"', *ask("other"), name="sa", user=KUBELET)
    await world.refused("does not match the UID", *ask("vault", uid="z"), name="sa", user=KUBELET)
    await world.refused("not bound to a pod", *ask("vault", kind="Node"), name="sa", user=KUBELET)


async def test_signers_need_permission(world):
    old = {"metadata": {"name": "c"}, "spec": {"signerName": "example.com/x"}}
    new = {**old, "status": {"certificate": "abc"}}
    world.allowed.add(("sign", "example.com/*"))
    await world.send("UPDATE", "certificatesigningrequests/status", new, old=old)
    text = 'user not permitted to approve requests with signerName "example.com/x"'
    await world.refused(text, "UPDATE", "certificatesigningrequests/approval", new, old=old)


async def test_plugins_that_are_handed_in_come_last(world):
    seen = []

    class Quota(Plugin):
        async def admit(self, request):
            seen.append(request.obj["spec"]["priority"])

    parts = Env(), world.objects, world
    world.chain = build(*parts, {"ResourceQuota": Quota(*parts)})
    await world.send("CREATE", "pods", pod())
    assert seen == [0]
    names = [
        name
        for part in document("plugins.json", "pybernetes.apiserver.admission").values()
        for name in part
    ]
    assert len(names) == len(set(names))
