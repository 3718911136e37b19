# SPDX-License-Identifier: Apache-2.0
"""RBAC, the node authorizer, escalation checks, access reviews, the bootstrap policy."""

import os
import pathlib
from functools import partial

import pytest
import yaml

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import User
from pybernetes.apiserver.authorization import bootstrap, review
from pybernetes.apiserver.authorization.escalation import EscalationCheck
from pybernetes.apiserver.authorization.node import NodeAuthorizer
from pybernetes.apiserver.authorization.rbac import CLUSTER_ROLES, ROLE_BINDINGS, Rbac
from pybernetes.apiserver.authorization.rules import missing
from pybernetes.apiserver.authorization.union import Union, forbidden_error
from pybernetes.apiserver.reading import PODS
from pybernetes.apiserver.requestinfo import parse
from pybernetes.apiserver.types import RequestInfo

RBAC = "rbac.authorization.k8s.io"
JANE = User("jane", ("dev", "system:authenticated"))


class Objects(dict):
    """A Reader over {(resource, namespace, name): object}."""

    def get(self, gvr, namespace, name):
        return super().get((gvr.resource, namespace, name))

    def list(self, gvr, namespace):
        return [o for (r, ns, _), o in self.items() if r == gvr.resource and namespace in ("", ns)]

    def put(self, resource, key, **fields):
        namespace, _, name = key.rpartition("/")
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        fields["metadata"] = {**metadata, **fields.pop("metadata", {})}
        self[resource, namespace, name] = fields
        return fields


def rule(verbs, resources, groups="core", names=""):
    made = {
        "verbs": verbs.split(),
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
    }
    return {**made, "resourceNames": names.split()} if names else made


def binding(role, *subjects):
    kind, name = role.split()
    words = [subject.split(" ", 1) for subject in subjects]
    return {
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [
            {"kind": kind, "name": name.rpartition("/")[2], "namespace": name.rpartition("/")[0]}
            for kind, name in words
        ],
    }


def ask(verb, resource, namespace="", name="", group=""):
    resource, _, subresource = resource.partition("/")
    return RequestInfo(
        verb, "", True, group, "v1", resource, subresource, namespace=namespace, name=name
    )


@pytest.fixture
def objects():
    made = Objects()
    made.put("clusterroles", "reader", rules=[rule("get list", "pods pods/log")])
    made.put(
        "clusterroles", "urls", rules=[{"verbs": ["get"], "nonResourceURLs": ["/logs/*", "/x"]}]
    )
    made.put("clusterroles", "anysub", rules=[rule("update", "*/scale", "apps")])
    made.put("roles", "ns/named", rules=[rule("update", "secrets", names="one two")])
    made.put("clusterrolebindings", "urls", **binding("ClusterRole urls", "Group dev"))
    made.put("clusterrolebindings", "anysub", **binding("ClusterRole anysub", "User jane"))
    made.put("rolebindings", "ns/read", **binding("ClusterRole reader", "Group dev"))
    made.put(
        "rolebindings", "ns/named", **binding("Role named", "ServiceAccount other/bot", "User jane")
    )
    return made


@pytest.mark.parametrize(
    ("user", "info", "allowed"),
    [
        (JANE, ask("list", "pods", "ns"), True),
        (JANE, ask("get", "pods/log", "ns", "p"), True),
        (JANE, ask("get", "pods/exec", "ns", "p"), False),
        (JANE, ask("list", "pods", "elsewhere"), False),
        (JANE, ask("list", "pods"), False),
        (JANE, ask("list", "pods", "ns", group="metrics.k8s.io"), False),
        (JANE, ask("update", "secrets", "ns", "one"), True),
        (JANE, ask("update", "secrets", "ns", "three"), False),
        (JANE, ask("update", "secrets", "ns"), False),
        (JANE, ask("update", "deployments/scale", "any", "d", "apps"), True),
        (JANE, ask("update", "deployments", "any", "d", "apps"), False),
        (User("system:serviceaccount:other:bot"), ask("update", "secrets", "ns", "two"), True),
        (User("system:serviceaccount:ns:bot"), ask("update", "secrets", "ns", "two"), False),
        (JANE, RequestInfo("get", "/logs/a/b"), True),
        (JANE, RequestInfo("get", "/x"), True),
        (JANE, RequestInfo("get", "/x/y"), False),
        (JANE, RequestInfo("post", "/x"), False),
        (User("eve", ("system:masters",)), ask("delete", "nodes", "", "n"), True),
    ],
)
def test_rbac(objects, user, info, allowed):
    authorizer = Union([Rbac(objects)])
    for _ in range(2):
        assert authorizer.authorize(user, info)[0] == ("allow" if allowed else "no-opinion")


def test_rbac_follows_changes(objects):
    rbac = Rbac(objects)
    info = ask("delete", "pods", "ns", "p")
    assert rbac.authorize(JANE, info)[0] == "no-opinion"
    old = objects.get(CLUSTER_ROLES, "", "reader")
    new = objects.put("clusterroles", "reader", rules=[rule("delete", "pods")])
    rbac.changed(CLUSTER_ROLES, old, new)
    assert rbac.authorize(JANE, info) == (
        "allow",
        'RBAC: allowed by RoleBinding "read/ns" of ClusterRole "reader" to Group "dev"',
    )
    rbac.changed(ROLE_BINDINGS, objects.pop(("rolebindings", "ns", "read")), None)
    assert rbac.authorize(JANE, info)[0] == "no-opinion"


def test_missing_role_is_the_reason(objects):
    objects.put("rolebindings", "ns/dangling", **binding("Role ghost", "User jane"))
    decision, reason = Rbac(objects).authorize(JANE, ask("delete", "pods", "ns"))
    assert (decision, reason) == (
        "no-opinion",
        'RBAC: role.rbac.authorization.k8s.io "ghost" not found',
    )
    error = forbidden_error(JANE, ask("list", "pods", "y"), "")
    assert error.message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" '
        'in the namespace "y"'
    )
    assert forbidden_error(JANE, RequestInfo("get", "/metrics")).message == (
        'forbidden: User "jane" cannot get path "/metrics"'
    )


def pods_on(objects, node):
    return [pod for pod in objects.list(PODS, "") if pod["spec"].get("nodeName") == node]


def grant(objects, **fields):
    """Write a Role as jane and say what came of it."""
    rbac = Rbac(objects)
    info = ask("create", "roles", "ns", group=RBAC)
    EscalationCheck(rbac, rbac).check(JANE, info, {"metadata": {"name": "new"}, **fields}, None)


def test_a_role_may_hold_only_what_its_author_holds(objects):
    grant(objects, rules=[rule("get", "pods"), rule("update", "secrets", names="one")])
    with pytest.raises(ApiError) as caught:
        grant(objects, rules=[rule("get watch delete", "pods"), rule("update", "secrets")])
    assert caught.value.message == (
        'roles.rbac.authorization.k8s.io "new" is forbidden: user "jane" '
        '(groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions '
        "not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["update"]}'
    )
    objects.put("clusterroles", "escalator", rules=[rule("escalate", "roles", RBAC)])
    objects.put("rolebindings", "ns/esc", **binding("ClusterRole escalator", "User jane"))
    grant(objects, rules=[rule("*", "*", "*")])


def test_binding_a_role_needs_its_rights_or_bind(objects):
    objects.put("clusterroles", "power", rules=[rule("*", "*", "*")])
    rbac = Rbac(objects)
    check = EscalationCheck(rbac, rbac)
    info = ask("create", "rolebindings", "ns", group=RBAC)
    new = {"metadata": {"name": "b"}, **binding("ClusterRole reader", "User eve")}
    check.check(JANE, info, new, None)
    new = {"metadata": {"name": "b"}, **binding("ClusterRole power", "User eve")}
    with pytest.raises(ApiError, match="not currently held"):
        check.check(JANE, info, new, None)
    rules = [rule("bind", "clusterroles", RBAC, "power")]
    objects.put("roles", "ns/binder", rules=rules)
    objects.put("rolebindings", "ns/binder", **binding("Role binder", "User jane"))
    EscalationCheck(Rbac(objects), Rbac(objects)).check(JANE, info, new, None)


POD_SPEC = {
    "nodeName": "n1",
    "serviceAccountName": "sa",
    "imagePullSecrets": [{"name": "pull"}],
    "containers": [
        {
            "env": [{"valueFrom": {"secretKeyRef": {"name": "env"}}}],
            "envFrom": [{"configMapRef": {"name": "from"}}],
        }
    ],
    "volumes": [
        {"name": "v", "secret": {"secretName": "vol"}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "root-ca"}}]}},
        {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "e", "ephemeral": {}},
    ],
}


@pytest.fixture
def cluster():
    made = Objects()
    for name in ("n1", "n2"):
        made.put("nodes", name)
    made.put("pods", "ns/pod", spec=POD_SPEC)
    mirror = {"kubernetes.io/config.mirror": "x"}
    spec = {"nodeName": "n1", "imagePullSecrets": [{"name": "stolen"}]}
    made.put("pods", "ns/mirror", spec=spec, metadata={"annotations": mirror})
    made.put("persistentvolumeclaims", "ns/data", spec={"volumeName": "pv"})
    csi = {"nodeStageSecretRef": {"namespace": "csi", "name": "stage"}}
    made.put("persistentvolumes", "pv", spec={"csi": csi})
    made.put("volumeattachments", "va", spec={"nodeName": "n1"})
    return made


@pytest.mark.parametrize(
    ("info", "allowed"),
    [
        *((ask("get", "secrets", "ns", name), True) for name in ("pull", "env", "vol")),
        (ask("get", "secrets", "ns", "stolen"), False),
        (ask("get", "secrets", "other", "pull"), False),
        (ask("get", "secrets", "csi", "stage"), True),
        (ask("update", "secrets", "ns", "pull"), False),
        (ask("list", "secrets", "ns"), False),
        (ask("watch", "configmaps", "ns", "from"), True),
        (ask("get", "configmaps", "ns", "root-ca"), True),
        (ask("get", "persistentvolumeclaims", "ns", "data"), True),
        (ask("get", "persistentvolumeclaims", "ns", "pod-e"), True),
        (ask("get", "persistentvolumes", "", "pv"), True),
        (ask("create", "serviceaccounts/token", "ns", "sa"), True),
        (ask("create", "serviceaccounts/token", "ns", "root"), False),
        (ask("get", "volumeattachments", "", "va", "storage.k8s.io"), True),
        (ask("update", "leases", "kube-node-lease", "n1", "coordination.k8s.io"), True),
        (ask("update", "leases", "kube-node-lease", "n2", "coordination.k8s.io"), False),
        (ask("patch", "nodes/status", "", "n1"), True),
        (ask("get", "nodes", "", "n2"), False),
        (ask("list", "services"), True),
        (ask("delete", "services", "ns", "s"), False),
        (ask("create", "tokenreviews", group="authentication.k8s.io"), True),
    ],
)
def test_a_node_reads_what_its_pods_need(cluster, info, allowed):
    authorizer = NodeAuthorizer(cluster, partial(pods_on, cluster))
    n1 = User("system:node:n1", ("system:nodes",))
    assert (authorizer.authorize(n1, info)[0] == "allow") is allowed
    assert authorizer.authorize(User("system:node:n1"), info) == ("no-opinion", "")


def test_other_nodes_see_no_relationship(cluster):
    n2 = User("system:node:n2", ("system:nodes",))
    assert NodeAuthorizer(cluster, partial(pods_on, cluster)).authorize(
        n2, ask("get", "secrets", "ns", "pull")
    ) == (
        "no-opinion",
        "no relationship found between node 'n2' and this object",
    )


def test_reviews(objects):
    rbac = Rbac(objects)
    attributes = {"verb": "list", "resource": "pods", "namespace": "ns"}
    asked = {
        "kind": "A",
        "spec": {"user": "x", "groups": ["dev"], "resourceAttributes": attributes},
    }
    status = review.access_review(rbac, asked)["status"]
    assert status["allowed"] is True
    assert status["reason"].startswith("RBAC: allowed by RoleBinding")
    mine = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/nope"}}}
    assert review.access_review(rbac, mine, JANE)["status"] == {"allowed": False}
    rules = review.self_subject_rules_review(rbac, {"spec": {"namespace": "ns"}}, JANE)["status"]
    assert rule("get list", "pods pods/log") in rules["resourceRules"]
    assert rules["nonResourceRules"][0]["nonResourceURLs"] == ["/logs/*", "/x"]
    assert rules["incomplete"] is False
    with pytest.raises(ApiError, match="must match metadata"):
        review.access_review(rbac, asked, namespace="elsewhere")
    with pytest.raises(ApiError, match=r"metadata: Invalid value: .*: must be empty$"):
        review.access_review(rbac, {**asked, "metadata": {"name": "mine"}})
    local = {**asked, "metadata": {"namespace": "ns"}}
    assert review.access_review(rbac, local, namespace="ns")["status"]["allowed"]
    with pytest.raises(ApiError, match="exactly one of nonResourceAttributes"):
        review.access_review(rbac, {"kind": "SubjectAccessReview", "spec": {"user": "x"}})


def test_reconciliation_adds_and_respects_autoupdate():
    _, wanted = next(
        item for item in bootstrap.policy() if item[1]["metadata"]["name"] == "system:discovery"
    )
    assert bootstrap.reconciled(None, wanted) == wanted
    assert bootstrap.reconciled(wanted, wanted) is None
    poorer = {**wanted, "rules": [rule("get", "mine")]}
    fixed = bootstrap.reconciled(poorer, wanted)
    assert fixed["rules"][0] == rule("get", "mine")
    assert missing(fixed["rules"], wanted["rules"]) == []
    kept = {**poorer, "metadata": {"name": "x", "annotations": {bootstrap.AUTOUPDATE: "false"}}}
    assert bootstrap.reconciled(kept, wanted) is None


@pytest.mark.golden
def test_the_bootstrap_policy_is_upstreams(gomod_kubernetes):
    data = gomod_kubernetes / "plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata"
    names = ("cluster-roles", "controller-roles", "namespace-roles")
    names += ("cluster-role-bindings", "controller-role-bindings", "namespace-role-bindings")
    expected = {}
    for name in names:
        for obj in yaml.safe_load((data / f"{name}.yaml").read_text())["items"]:
            expected[_identity(obj)] = obj
    actual = {_identity(obj): obj for _, obj in bootstrap.policy()}
    assert actual == expected


def _identity(obj):
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata["name"]


@pytest.fixture
def gomod_kubernetes():
    cache = os.environ.get("GOMODCACHE") or pathlib.Path.home() / "go/pkg/mod"
    return pathlib.Path(cache) / "k8s.io/kubernetes@v1.37.1"


@pytest.mark.parametrize(
    ("method", "watch", "selector", "name"),
    [
        ("GET", False, "metadata.name=n1", "n1"),
        ("GET", True, "metadata.name==n1", "n1"),
        ("GET", False, "metadata.name=n1,spec.unschedulable=true", ""),
        ("POST", False, "metadata.name=n1", ""),  # the body says which object: not the query
        ("PATCH", False, "metadata.name=n1", ""),
        ("DELETE", False, "metadata.name=n1", ""),
    ],
)
def test_only_reads_are_named_by_their_field_selector(method, watch, selector, name):
    assert parse(method, "/api/v1/nodes", watch, selector).name == name
