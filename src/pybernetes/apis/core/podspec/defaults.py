# SPDX-License-Identifier: Apache-2.0
"""Defaults of every pod spec that depend on more than a field (SetDefaults_PodSpec & co.).

The others are rows of data/rules.txt.
"""

from pybernetes.apimachinery.types import Object

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")


def image_tag(image: str) -> str:
    """The tag of an image reference: "latest" without tag and digest, "" with a digest alone."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or ("" if digest or not name else "latest")


def pull_policy(image: str) -> str:
    return "Always" if image_tag(image) == "latest" else "IfNotPresent"


def default_account(spec: Object) -> None:
    """The account's new name and its old one are one value."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def default_pull_policy(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")


def default_volume_policy(source: Object) -> None:
    if not source.get("pullPolicy"):
        source["pullPolicy"] = pull_policy(source.get("reference") or "")


def default_source(volume: Object) -> None:
    """A volume without a source is an empty directory."""
    if not any(name != "name" and value is not None for name, value in volume.items()):
        volume["emptyDir"] = {}
