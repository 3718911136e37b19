# SPDX-License-Identifier: Apache-2.0
"""Names, labels and metadata: what is refused, in upstream's words."""

import pytest

from pybernetes.apis.validation import addresses, names
from pybernetes.apis.validation.meta import validate_meta, validate_meta_update

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        (names.dns1123_label, "web-0", []),
        (names.dns1123_label, "Web", [LABEL]),
        (names.dns1123_label, "a.b", ["must not contain dots"]),
        (names.dns1123_label, "a" * 64, ["must be no more than 63 characters"]),
        (names.dns1123_label, "web\n", [LABEL]),
        (names.dns1123_subdomain, "a.b-c", []),
        (names.dns1123_subdomain, "a..b", [SUBDOMAIN]),
        (names.qualified_name, "example.com/MyName", []),
        (names.qualified_name, "-x", [KEY]),
        (names.qualified_name, "/x", ["prefix part must be non-empty"]),
        (names.qualified_name, "a/", ["name part must be non-empty", KEY]),
        (names.qualified_name, "a" * 64, ["name part must be no more than 63 bytes"]),
        (names.label_value, "", []),
        (names.label_value, "a b", [VALUE]),
        (names.env_name, "A.b-c", []),
        (
            names.env_name,
            "A=B",
            [
                "a valid environment variable name must consist only of printable ASCII "
                "characters other than '='"
            ],
        ),
        (names.config_key, "..x", ["must not start with '..'"]),
        (names.port_name, "a--b", ["must not contain consecutive hyphens"]),
        (names.port_number, 0, ["must be between 1 and 65535, inclusive"]),
        (names.path_segment, "system:node", []),
        (names.path_segment, "a/b", ["may not contain '/'"]),
    ],
)
def test_format(rule, value, expected):
    assert rule(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", []),
        ("fd00::1", []),
        ("10.0.0", ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
        ("010.0.0.1", ["must not have leading 0s"]),
        ("::ffff:1.2.3.4", ["must not be an IPv4-mapped IPv6 address"]),
    ],
)
def test_addresses(text, expected):
    assert addresses.ip(text) == expected


def test_metadata_of_a_new_object():
    metadata = {
        "generateName": "Bad-",
        "name": "good",
        "namespace": "Bad",
        "labels": {"k": "a b"},
        "annotations": {"Example.com/Any": "case"},
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "A", "name": "a", "uid": "1", "controller": True},
            {"apiVersion": "v1", "kind": "B", "name": "b", "controller": True},
        ],
        "finalizers": ["orphan", "foregroundDeletion"],
    }
    found = [str(error) for error in validate_meta(metadata, True)]
    assert found == [
        f'metadata.generateName: Invalid value: "Bad-": {SUBDOMAIN}',
        f'metadata.namespace: Invalid value: "Bad": {LABEL}',
        f'metadata.labels: Invalid value: "a b": {VALUE}',
        "metadata.ownerReferences[1].uid: Required value: must not be empty",
        found[4],
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
        "finalizer orphan and foregroundDeletion cannot be both set",
    ]
    assert 'Found "true" in references for A/a and B/b' in found[4]


def test_cluster_wide_objects_have_no_namespace_and_every_object_a_name():
    assert [str(error) for error in validate_meta({"namespace": "x"}, False)] == [
        "metadata.name: Required value: name or generateName is required",
        "metadata.namespace: Forbidden: not allowed on this type",
    ]


def test_metadata_of_an_update():
    old = {"name": "a", "uid": "1", "resourceVersion": "5", "deletionTimestamp": "t"}
    new = {**old, "uid": "2", "finalizers": ["x.io/y"]}
    assert [str(error) for error in validate_meta_update(new, old)] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        'deleted, found new finalizers []string{"x.io/y"}',
        'metadata.uid: Invalid value: "2": field is immutable',
    ]
    assert validate_meta_update(old, old) == []
