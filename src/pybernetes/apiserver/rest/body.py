# SPDX-License-Identifier: Apache-2.0
"""The request's body as an object of the resource asked for."""

from typing import Any

from pybernetes.apimachinery.errors import bad_request, unsupported_media_type
from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.context import Context

SUPPORTED = "application/json, application/yaml"


def media_type(ctx: Context) -> str:
    return ctx.request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def decode(ctx: Context) -> Any:
    """The body as JSON values. Raises 400, 415."""
    media = media_type(ctx)
    if media in ("", "application/json"):
        try:
            return codec.loads(ctx.request.body)
        except ValueError as error:
            raise bad_request(f"invalid JSON: {error}") from None
    raise unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {SUPPORTED}"
    )


def check_type(obj: Any, expected: GVK) -> Object:
    """`obj` with its kind filled in. Raises 400 where it is something else."""
    if not isinstance(obj, dict):
        raise bad_request("the body of the request must be an object")
    api_version, kind = expected.api_version, expected.kind
    given = obj.get("apiVersion") or api_version, obj.get("kind") or kind
    if given != (api_version, kind):
        raise bad_request(
            f"the API version in the data ({given[0]}) does not match the expected API version ({api_version})"
            if given[0] != api_version
            else f'the object provided is unrecognized (must be of type {kind}): got kind "{given[1]}"'
        )
    obj["apiVersion"], obj["kind"] = api_version, kind
    if not isinstance(obj.setdefault("metadata", {}), dict):
        raise bad_request("metadata must be an object")
    return obj


def read_object(ctx: Context, expected: GVK, validation: str) -> Object:
    """The body as a checked and defaulted object of `expected`."""
    return check_type(decode(ctx), expected)
