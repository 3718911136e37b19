# SPDX-License-Identifier: Apache-2.0
"""Questions that several components ask: taints, node affinity, ports, schedules; and all rules."""

import copy
import datetime
import json
import os
from pathlib import Path

import pytest

from pybernetes.apis.core.nodeaffinity import preferred_score, required_matches
from pybernetes.apis.core.taints import no_execute_seconds, tolerates, untolerated
from pybernetes.apis.registry import RULES

NOW = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
TAINT = {"key": "a", "value": "1", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "value": "1"}, True),
        ({"key": "a", "value": "2"}, False),
        ({"key": "a", "operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "b", "operator": "Exists"}, False),
    ],
)
def test_tolerates(toleration, expected):
    assert tolerates(toleration, TAINT) is expected


def test_untolerated_is_the_first_hard_taint():
    soft = {"key": "s", "effect": "PreferNoSchedule"}
    assert untolerated([soft, TAINT], []) == TAINT
    assert untolerated([soft, TAINT], [{"operator": "Exists"}]) is None


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], 0),
        ([{"operator": "Exists"}], None),
        ([{"operator": "Exists", "tolerationSeconds": 300}], 300),
        ([{"operator": "Exists"}, {"key": "a", "value": "1", "tolerationSeconds": 5}], 5),
        ([{"operator": "Exists", "tolerationSeconds": -1}], 0),
    ],
)
def test_no_execute_seconds(tolerations, expected):
    assert no_execute_seconds([TAINT], tolerations) == expected
    assert no_execute_seconds([], tolerations) is None


NODE = {"metadata": {"name": "n1", "labels": {"zone": "a", "cores": "8"}}}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "zone", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "gpu", "operator": "NotIn", "values": ["x"]}, True),
        ({"key": "gpu", "operator": "DoesNotExist"}, True),
        ({"key": "cores", "operator": "Gt", "values": ["4"]}, True),
        ({"key": "cores", "operator": "Lt", "values": ["8"]}, False),
        ({"key": "zone", "operator": "Gt", "values": ["4"]}, False),
    ],
)
def test_node_affinity(expression, expected):
    term = {"matchExpressions": [expression]}
    selector = {"nodeSelectorTerms": [{}, term]}
    affinity = {
        "requiredDuringSchedulingIgnoredDuringExecution": selector,
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "preference": term}],
    }
    spec = {"affinity": {"nodeAffinity": affinity}}
    assert required_matches(spec, NODE) is expected
    assert preferred_score(spec, NODE) == (7 if expected else 0)


def test_node_names_and_selectors():
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    selector = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}
    assert required_matches({"affinity": affinity, "nodeSelector": {"zone": "a"}}, NODE)
    assert not required_matches({"affinity": affinity, "nodeSelector": {"zone": "b"}}, NODE)


def published() -> list[Path]:
    """Upstream's examples, one of every kind with every field set."""
    modules = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
    return sorted((modules / "k8s.io/api@v0.37.1/testdata/HEAD").glob("*.json"))


@pytest.mark.golden
def test_rules_cope_with_every_field_upstream_has():
    checked = 0
    for path in published():
        obj = json.loads(path.read_text())
        group = obj.get("apiVersion", "").rpartition("/")[0]
        rules = RULES.get((group, obj.get("kind", "")))
        if rules is None or group == "events.k8s.io":  # stored, and so ruled, as core events
            continue
        rules.default(obj)
        again = copy.deepcopy(obj)
        rules.default(again)
        assert again == obj, path.name
        rules.prepare_create(again)
        rules.validate_create(again)
        rules.validate_update(again, obj)
        rules.prepare_update(again, obj)
        rules.prepare_status_update(again, obj)
        rules.validate_status_update(again, obj)
        assert tuple(rules.fields(again)) == rules.field_names, path.name
        for column in rules.columns:
            assert isinstance(column.cell(again, NOW), str | int | bool), (path.name, column.name)
        checked += 1
    assert checked > 50
