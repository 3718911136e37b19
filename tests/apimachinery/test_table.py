# SPDX-License-Identifier: Apache-2.0
"""Tables: columns, cells, and how much of each object goes along."""

import datetime

import pytest

from pybernetes.apimachinery.table import table
from pybernetes.apis.columns import AGE, NAME

NOW = datetime.datetime(2024, 1, 1, 0, 5, tzinfo=datetime.UTC)
OBJ = {
    "kind": "ConfigMap",
    "apiVersion": "v1",
    "metadata": {"name": "a", "creationTimestamp": "2024-01-01T00:00:00Z"},
    "data": {"k": "v"},
}


@pytest.mark.parametrize(
    ("include", "carried"),
    [
        ("None", None),
        ("Object", OBJ),
        (
            "Metadata",
            {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": OBJ["metadata"],
            },
        ),
    ],
)
def test_rows(include: str, carried: dict | None) -> None:
    found = table((NAME, AGE), [OBJ], NOW, include=include, metadata={"resourceVersion": "7"})
    assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert found["metadata"] == {"resourceVersion": "7"}
    assert [column["name"] for column in found["columnDefinitions"]] == ["Name", "Age"]
    (row,) = found["rows"]
    assert row["cells"] == ["a", "5m"]
    assert row.get("object") == carried
