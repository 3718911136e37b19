# SPDX-License-Identifier: Apache-2.0
"""ApiError: the one error of the API, which is a Status object; and upstream's constructors.

Source of reasons, codes and wording: k8s.io/apimachinery/pkg/api/errors.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object


class ApiError(Exception):
    """An answer of kind Status with status Failure. Raised by handlers and by the client alike."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.list_meta: Object = {}  # metadata of the Status: a continue token

    def status(self) -> Object:
        """The Status object that goes over the wire."""
        result: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.list_meta,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            result["details"] = self.details
        return result

    @classmethod
    def from_status(cls, status: Object, code: int = 500) -> "ApiError":
        """The error behind a Status object that a server answered."""
        return cls(
            status.get("code") or code,
            status.get("reason") or "Unknown",
            status.get("message") or "unknown",
            status.get("details"),
        )


# Those that only need a message:
bad_request = partial(ApiError, 400, "BadRequest")
expired = partial(ApiError, 410, "Expired")  # the resourceVersion or continue token is too old
unsupported_media_type = partial(ApiError, 415, "UnsupportedMediaType")
service_unavailable = partial(ApiError, 503, "ServiceUnavailable")
timeout = partial(ApiError, 504, "Timeout")


def qualified(resource: str, group: str) -> str:
    """ "deployments.apps", or "pods" in the core group."""
    return f"{resource}.{group}" if group else resource


def _details(resource: str, group: str, name: str) -> Object:
    pairs = {"name": name, "group": group, "kind": resource}
    return {key: value for key, value in pairs.items() if value}


def not_found(resource: str, group: str, name: str) -> ApiError:
    message = f'{qualified(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(resource, group, name))


def already_exists(resource: str, group: str, name: str) -> ApiError:
    message = f'{qualified(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, group, name))


def conflict(resource: str, group: str, name: str, detail: str = "") -> ApiError:
    detail = detail or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {detail}'
    return ApiError(409, "Conflict", message, _details(resource, group, name))


def aggregate(messages: Sequence[str]) -> str:
    """Several messages as upstream shows them together."""
    return messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"


def invalid(kind: str, group: str, name: str, errors: Errors) -> ApiError:
    """422 with one cause per finding. `kind` is the Kind, e.g. Deployment."""
    text = aggregate([str(error) for error in errors])
    details = _details(kind, group, name)
    details["causes"] = [
        {"reason": error.reason, "message": error.message, "field": error.field} for error in errors
    ]
    message = f'{qualified(kind, group)} "{name}" is invalid: {text}'
    return ApiError(422, "Invalid", message, details)


def unauthorized(message: str = "Unauthorized") -> ApiError:
    return ApiError(401, "Unauthorized", message)


def forbidden(resource: str, group: str, name: str, detail: str) -> ApiError:
    what = qualified(resource, group)
    named = f'{what} "{name}"' if name else what
    return ApiError(
        403, "Forbidden", f"{named} is forbidden: {detail}", _details(resource, group, name)
    )


def method_not_allowed(resource: str, group: str, action: str) -> ApiError:
    message = f'{action} is not supported on resources of kind "{qualified(resource, group)}"'
    return ApiError(405, "MethodNotAllowed", message, _details(resource, group, ""))


def too_large(limit: int) -> ApiError:
    message = f"Request entity too large: limit is {limit}"
    return ApiError(413, "RequestEntityTooLarge", message)


def too_many_requests(message: str, retry_after: int = 1) -> ApiError:
    return ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": retry_after})


def internal(message: str) -> ApiError:
    text = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", text, {"causes": [{"message": message}]})


@contextlib.contextmanager
def forgiving(*answers: int | str) -> Iterator[None]:
    """A block that may fail with these codes, reasons or causes, and then goes no further: 404 for what is
    gone meanwhile, "AlreadyExists" for what somebody else has made."""
    try:
        yield
    except ApiError as error:
        causes = (cause.get("reason") for cause in error.details.get("causes") or ())
        if not {error.code, error.reason, *causes} & {*answers}:
            raise
