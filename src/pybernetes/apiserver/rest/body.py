# SPDX-License-Identifier: Apache-2.0
"""The request's body as an object of the resource asked for: decoded, checked, defaulted.

Bodies of built-in kinds may be protobuf, as typed Go clients and kubectl send them; answers are
JSON or YAML, which they accept as well.
"""

from typing import Any

from pybernetes.apimachinery import protobuf, strictjson, strictyaml
from pybernetes.apimachinery.errors import ApiError, bad_request, unsupported_media_type
from pybernetes.apimachinery.schema import check
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis.catalog import MESSAGES, schema_of
from pybernetes.apiserver.context import Context

YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
SUPPORTED = "application/json, application/yaml"


def media_type(ctx: Context) -> str:
    return ctx.request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def decode_body(ctx: Context, expected: GVK) -> Object:
    """The body as a JSON object; protobuf is taken for an `expected`. Raises 400, 415."""
    return _decoded(ctx, expected)[0]


def _decoded(ctx: Context, expected: GVK) -> tuple[Object, list[str]]:
    media = media_type(ctx)
    if media == PROTOBUF:
        return _decode_protobuf(ctx.request.body, expected), []
    if media not in ("", "application/json", YAML, "text/plain", "application/octet-stream"):
        raise _unknown_format(f"{SUPPORTED}, {PROTOBUF}")
    obj, repeated = parse(ctx.request.body, yaml=media == YAML)
    if not isinstance(obj, dict):
        raise bad_request("the body of the request must be a JSON object")
    return obj, repeated


def _unknown_format(accepted: str) -> ApiError:
    return unsupported_media_type(
        "the body of the request was in an unknown format - "
        f"accepted media types include: {accepted}"
    )


def _decode_protobuf(body: bytes, expected: GVK) -> Object:
    try:
        schema = schema_of(expected)
    except KeyError:  # a custom resource has no messages
        raise _unknown_format(SUPPORTED) from None
    try:
        api_version, kind, raw = protobuf.unwrap(body)
    except protobuf.Fault as error:
        shown = f"{body[:30].hex()} ..." if len(body) > 30 else body.hex() or "<empty>"
        raise bad_request(
            f"the object provided is unrecognized (must be of type {expected.kind}): {error} ({shown})"
        ) from None
    api_version, kind = api_version or expected.api_version, kind or expected.kind
    if kind != expected.kind:
        raise _wrong_type((api_version, kind), expected)
    try:
        obj = MESSAGES.decode(raw, schema.name)
    except protobuf.Fault as error:
        raise check.cannot_be_handled(expected, str(error)) from None
    return {"apiVersion": api_version, "kind": kind, **obj}


def parse(data: bytes, *, yaml: bool) -> tuple[Any, list[str]]:
    """JSON (or YAML) text as values, and what YAML's parser says of keys set twice. Raises 400."""
    try:
        if not yaml:
            return strictjson.decode(data), []
        value, lines = strictyaml.decode(data)
    except strictjson.SyntaxFault as error:
        raise bad_request(f"couldn't parse the body of the request: {error}") from None
    return value, ["yaml: unmarshal errors:\n  " + "\n  ".join(lines)] if lines else []


def check_type(obj: Any, expected: GVK) -> Object:
    """`obj` with its kind filled in. Raises 400 where it is something else."""
    if not isinstance(obj, dict):
        raise bad_request("the body of the request must be an object")
    api_version, kind = expected.api_version, expected.kind
    given = obj.get("apiVersion") or api_version, obj.get("kind") or kind
    if given != (api_version, kind):
        raise _wrong_type(given, expected)
    obj["apiVersion"], obj["kind"] = api_version, kind
    if not isinstance(obj.get("metadata") or {}, dict):
        raise bad_request("metadata must be an object")
    obj["metadata"] = obj.get("metadata") or {}
    return obj


def _wrong_type(given: tuple[Any, Any], expected: GVK) -> ApiError:
    api_version, kind = expected.api_version, expected.kind
    if given[0] != api_version:
        return bad_request(
            f"the API version in the data ({given[0]}) does not match"
            f" the expected API version ({api_version})"
        )
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): got kind {given[1]}"
    )


def read_object(ctx: Context, expected: GVK) -> Object:
    """The body as a checked and defaulted object of `expected`."""
    media = media_type(ctx)
    repeated: list[strictjson.Occurrence] = []
    obj, texts = _decoded(ctx, expected)
    if media not in (YAML, PROTOBUF) and ctx.validation != "Ignore":
        repeated = strictjson.duplicate_keys(ctx.request.body, obj)
    obj = check_type(obj, expected)
    row = ctx.serving.row
    schema = row.schema if expected == row.gvk else schema_of(expected)
    check_schema(ctx, obj, schema, repeated=(repeated, texts))
    return obj


def check_schema(
    ctx: Context,
    obj: Object,
    schema: Schema,
    validation: str | None = None,
    *,
    repeated: tuple[list[strictjson.Occurrence], list[str]] = ([], []),
) -> None:
    """Types, unknown fields, defaults, in place. `repeated`: keys of JSON, texts of YAML. Raises 400.

    `validation`: the request's own if not given.
    """
    validation = validation or ctx.validation
    if schema.preserve_unknown:
        return
    gvk = GVK("", "", obj["kind"])._replace(version=obj["apiVersion"].rpartition("/")[2])
    try:
        findings = check.decode(obj, schema)
    except check.DecodeError as error:
        raise check.cannot_be_handled(gvk, str(error)) from None
    for part in ("metadata", "spec"):
        if part not in obj and part in schema.properties:
            obj[part] = {}
    findings = [*repeated[1], *strictjson.findings(repeated[0], findings)]
    if not findings or validation == "Ignore":
        return
    if validation == "Strict":
        raise check.cannot_be_handled(gvk, "strict decoding error: " + ", ".join(findings))
    ctx.warnings += findings
