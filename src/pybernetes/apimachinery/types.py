# SPDX-License-Identifier: Apache-2.0
"""Names of types: objects are plain JSON dicts, and these name what kind of object one is."""

from dataclasses import dataclass
from typing import Any, NamedTuple

Object = dict[str, Any]


class GVK(NamedTuple):
    """Group, version, kind: what an object says of itself."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


class GVR(NamedTuple):
    """Group, version, resource (plural): where objects of a kind are served."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """ "deployments.apps", or "pods" in the core group."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def prefix(self) -> str:
        """The URL path of the group version: /api/v1 or /apis/GROUP/VERSION."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of a collection or an object (names are not percent-encoded: DNS names)."""
        parts = [self.prefix]
        if namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.resource)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class User:
    """Who makes a request (upstream's user.Info)."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def info(self) -> Object:
        """Its authentication.k8s.io UserInfo."""
        extra = {key: list(values) for key, values in self.extra}
        pairs = {"uid": self.uid, "groups": list(self.groups), "extra": extra}
        return {"username": self.name, **{key: value for key, value in pairs.items() if value}}


def split_api_version(api_version: str) -> tuple[str, str]:
    """("apps", "v1") of "apps/v1"; ("", "v1") of "v1"."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


def gvk_of(obj: Object) -> GVK:
    group, version = split_api_version(obj.get("apiVersion", ""))
    return GVK(group, version, obj.get("kind", ""))
