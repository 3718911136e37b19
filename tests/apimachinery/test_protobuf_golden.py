# SPDX-License-Identifier: Apache-2.0
"""Upstream's own pairs of protobuf and JSON: all of those whose kind is served decode to equals."""

import json
import os
from pathlib import Path

import pytest

from pybernetes.apimachinery import protobuf
from pybernetes.apimachinery.types import split_api_version
from pybernetes.apis.catalog import MESSAGES
from pybernetes.apis.data import types

CACHE = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod") / "k8s.io"
PAIRS = sorted(
    [
        *CACHE.glob("api@v0.37.1/testdata/HEAD/*.pb"),
        *CACHE.glob("apiextensions-apiserver@v0.37.1/pkg/apis/testdata/HEAD/*.pb"),
    ]
)
# Kinds that upstream has data for and that no request body of ours can be: query parameters, what
# only servers send, and what is no API resource. Versions below v1 are not served.
NOT_SERVED = {
    *("AdmissionReview", "ConversionReview", "WatchEvent"),
    *("APIGroup", "APIGroupDiscovery", "APIVersions", "RangeAllocation", "SerializedReference"),
    *("CreateOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions"),
    *("NodeProxyOptions", "PodAttachOptions", "PodExecOptions", "PodLogOptions"),
    *("PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions"),
}


def type_name(api_version, kind):
    if kind == "DeleteOptions":
        return "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    group, version = split_api_version(api_version)
    return types.header()["kinds"].get(f"{group}/{version}/{kind}")


def test_every_served_kind_decodes_to_upstreams_json():
    compared = set()
    for path in PAIRS:
        envelope = protobuf.unwrap(path.read_bytes())
        name = type_name(envelope.api_version, envelope.kind)
        if name is None:
            assert (
                (envelope.kind or "WatchEvent") in NOT_SERVED
                or "alpha" in path.name
                or "beta" in path.name
            )
            continue
        expected = json.loads(path.with_suffix(".json").read_text())
        found = {"apiVersion": envelope.api_version, "kind": envelope.kind}
        assert found | MESSAGES.decode(envelope.raw, name) == expected, path.name
        compared.add(envelope[:2])
    if not PAIRS:
        pytest.fail("upstream's testdata is missing: go mod download k8s.io/api@v0.37.1")
    assert len(compared) == 76


def test_bytes_cut_anywhere_never_raise_anything_else():
    pod = next(path for path in PAIRS if path.name == "core.v1.Pod.pb")
    raw = protobuf.unwrap(pod.read_bytes()).raw
    sizes, faults = range(1, len(raw), 7), 0
    for size in sizes:
        try:
            MESSAGES.decode(raw[:size], "io.k8s.api.core.v1.Pod")
        except protobuf.Fault as fault:
            faults += 1
            assert str(fault) == "unexpected EOF"
    assert faults > len(sizes) - 5  # a cut between two top fields is no fault
