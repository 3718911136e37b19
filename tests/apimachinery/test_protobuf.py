# SPDX-License-Identifier: Apache-2.0
"""Protobuf bodies: what the golden pairs do not have: zeros, nulls, odd and hostile bytes."""

import json
import struct

import pytest

from pybernetes.apimachinery.protobuf import PREFIX, Fault, unwrap
from pybernetes.apis.catalog import MESSAGES

CORE = "io.k8s.api.core.v1."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    """One field: a number, text, bytes (a message) or a float."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def decode(name, *fields):
    return MESSAGES.decode(b"".join(fields), name)


def test_zeros_go_where_json_omits_them_and_stay_behind_pointers():
    # minReadySeconds and paused are values, replicas and progressDeadlineSeconds pointers
    name = "io.k8s.api.apps.v1.DeploymentSpec"
    spec = decode(name, field(1, 0), field(5, 0), field(7, 0), field(9, -1), field(3, b""))
    assert spec == {"replicas": 0, "progressDeadlineSeconds": -1, "template": {}}
    assert decode(CORE + "Container", field(1, ""), field(2, "")) == {"name": ""}


def test_zero_times_are_left_out():
    meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    year_one = field(1, -62135596800) + field(2, 0)
    assert decode(meta, field(8, b""), field(9, year_one)) == {}
    assert decode(meta, field(8, field(1, -1))) == {"creationTimestamp": "1969-12-31T23:59:59Z"}
    micro = decode("io.k8s.api.coordination.v1.LeaseSpec", field(4, field(1, 1) + field(2, 1999)))
    assert micro == {"renewTime": "1970-01-01T00:00:01.000001Z"}
    with pytest.raises(Fault, match="year outside of range"):
        decode(meta, field(8, field(1, 1 << 50)))


def test_quantities_maps_and_bytes():
    limits = field(1, "cpu") + field(2, field(1, "500m"))
    assert decode(CORE + "ResourceRequirements", field(1, limits), field(1, b"")) == {
        "limits": {"cpu": "500m", "": "0"}
    }
    data = field(1, "a") + field(2, b"\xff\x00")
    secret = decode(CORE + "Secret", field(2, data), field(2, field(1, "b")))
    assert secret == {"data": {"a": "/wA=", "b": ""}}
    extra = field(1, "k") + field(2, field(1, "v") + field(1, "w"))
    name = "io.k8s.api.authorization.v1.SubjectAccessReviewSpec"
    assert decode(name, field(5, extra)) == {"extra": {"k": ["v", "w"]}}


def test_int_or_string():
    name = "io.k8s.api.apps.v1.RollingUpdateDeployment"
    text = field(1, 1) + field(2, 0) + field(3, "25%")
    number = field(1, 0) + field(2, -3) + field(3, "")
    found = decode(name, field(1, text), field(2, number))
    assert found == {"maxUnavailable": "25%", "maxSurge": -3}


def test_schemas_that_may_be_something_else():
    inner = field(5, "string")
    found = decode(
        EXTENSIONS + "JSONSchemaProps",
        field(9, 1.5),
        field(24, field(2, inner) + field(2, b"")),
        field(30, field(1, 0)),
        field(33, field(1, 1) + field(2, inner)),
        field(32, field(1, "k") + field(2, field(2, "x"))),
        field(20, field(1, "null")) + field(20, field(1, "7")),
        field(8, field(1, "false")),
    )
    assert found == {
        "maximum": 1.5,
        "items": [{"type": "string"}, {}],
        "additionalProperties": False,
        "additionalItems": {"type": "string"},
        "dependencies": {"k": ["x"]},
        "enum": [None, 7],
        "default": False,
    }


def test_unknown_fields_are_skipped():
    fixed = varint(998 << 3 | 5) + b"1234" + field(997, 1.0) + field(996, 1 << 63)
    assert decode(CORE + "Binding", fixed, field(995, "x"), field(1, b"")) == {"metadata": {}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a", "unexpected EOF"),
        (b"\x0a\x05ab", "unexpected EOF"),
        (b"\x0a\x02\x0a\x05", "unexpected EOF"),
        (field(1, 5), "proto: wrong wireType = 0 for field Metadata"),
        (b"\x0c", "proto: Pod: wiretype end group for non-group"),
        (b"\x02\x00", "proto: Pod: illegal tag 0 (wire type 2)"),
        (varint(99 << 3 | 3), "proto: illegal wireType 3"),
        (b"\x0a" + b"\xff" * 11, "proto: integer overflow"),
    ],
)
def test_faults_are_told_in_upstreams_words(data, message):
    with pytest.raises(Fault) as caught:
        decode(CORE + "Pod", data)
    assert str(caught.value) == message


def nested(levels, inner=b""):
    for level in range(levels):  # a schema in `not`, in additionalProperties, in `not`...
        inner = field(28, inner) if level % 2 else field(30, field(2, inner))
    return inner


def test_depth_is_bounded():
    name = EXTENSIONS + "JSONSchemaProps"
    assert json.dumps(decode(name, nested(198))).count("not") == 99
    default = field(8, field(1, "[" * 60 + "]" * 60))
    decode(name, nested(130, default))
    for data in (nested(201), nested(10_000), nested(150, default)):
        with pytest.raises(Fault, match="exceeded max depth"):
            decode(name, data)


def test_envelope():
    meta = field(1, "apps/v1") + field(2, "Deployment")
    whole = PREFIX + field(1, meta) + field(2, b"raw") + field(3, "") + field(4, "")
    assert unwrap(whole) == ("apps/v1", "Deployment", b"raw")
    for body, message in (
        (b"", "empty data"),
        (PREFIX, "empty body"),
        (b"{}", "does not appear to be a protobuf message"),
        (whole[:9], "unexpected EOF"),
    ):
        with pytest.raises(Fault, match=message):
            unwrap(body)
