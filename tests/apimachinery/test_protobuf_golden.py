# SPDX-License-Identifier: Apache-2.0
"""Upstream's own pairs of protobuf and JSON: all of those whose kind is served decode to equals."""

import json
import os
import re
from pathlib import Path

import pytest

from pybernetes.apimachinery import protobuf
from pybernetes.apimachinery.types import gvk_of
from pybernetes.apis.catalog import MESSAGES, schema_of

pytestmark = pytest.mark.golden
CACHE = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod") / "k8s.io"
PAIRS = sorted(
    [
        *CACHE.glob("api@v0.37.1/testdata/HEAD/*.pb"),
        *CACHE.glob("apiextensions-apiserver@v0.37.1/pkg/apis/testdata/HEAD/*.pb"),
    ]
)
# Kinds that upstream has data for and that no request body of ours can be: query parameters, what
# only servers send, and what is no API resource. Of versions below v1 only Eviction's is served.
NOT_SERVED = {
    *("AdmissionReview", "ConversionReview", "WatchEvent"),
    *("APIGroup", "APIGroupDiscovery", "APIVersions", "RangeAllocation", "SerializedReference"),
    *("CreateOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions"),
    *("NodeProxyOptions", "PodAttachOptions", "PodExecOptions", "PodLogOptions"),
    *("PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions"),
}
BELOW_V1 = re.compile("/v[0-9]+(alpha|beta)")


def test_every_served_kind_decodes_to_upstreams_json():
    compared = 0
    for path in PAIRS:
        api_version, kind, raw = protobuf.unwrap(path.read_bytes())
        found = {"apiVersion": api_version, "kind": kind}
        try:
            name = schema_of(gvk_of(found)).name
        except KeyError:
            assert (kind or "WatchEvent") in NOT_SERVED or BELOW_V1.search(api_version), path.name
            continue
        expected = json.loads(path.with_suffix(".json").read_text())
        assert found | MESSAGES.decode(raw, name) == expected, path.name
        compared += 1
    assert compared == 77, "is upstream's testdata there? go mod download k8s.io/api@v0.37.1"


def test_bytes_cut_anywhere_are_a_fault():
    pod = next(path for path in PAIRS if path.name == "core.v1.Pod.pb")
    _, _, raw = protobuf.unwrap(pod.read_bytes())
    faults = []
    for size in range(1, len(raw), 7):
        try:
            MESSAGES.decode(raw[:size], "io.k8s.api.core.v1.Pod")
        except protobuf.Fault as fault:
            faults.append(str(fault))
    assert set(faults) == {"unexpected EOF"}
    assert len(faults) > len(raw) // 7 - 5  # a cut between two top fields is no fault
