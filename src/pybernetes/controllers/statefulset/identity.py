# SPDX-License-Identifier: Apache-2.0
"""What makes pod number N of a StatefulSet: its name, labels, claims and volumes. Pure."""

import re
from typing import NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.client.frozen import copy_object
from pybernetes.controllers.runtime.pods import from_template
from pybernetes.controllers.runtime.revisions import HASH_LABEL, template_of

NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


class Slots(NamedTuple):
    """Pods by ordinal: the wanted ordinals, None where one is missing; and the ones too many."""

    wanted: dict[int, Object | None]
    condemned: list[Object]  # highest ordinal first


def ordinal(stateful_set: Object, pod: Object) -> int:
    """The number in a pod's name; -1 for a pod that is not the set's by its name."""
    found = _NAME.fullmatch(meta.name(pod))
    return int(found[2]) if found and found[1] == meta.name(stateful_set) else -1


def start(stateful_set: Object) -> int:
    return int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)


def slots(stateful_set: Object, pods: list[Object]) -> Slots:
    first = start(stateful_set)
    wanted: dict[int, Object | None] = dict.fromkeys(
        range(first, first + stateful_set["spec"].get("replicas", 1))
    )
    condemned = []
    for pod in sorted(pods, key=lambda pod: -ordinal(stateful_set, pod)):
        number = ordinal(stateful_set, pod)
        if number in wanted:
            wanted[number] = pod
        elif number >= 0:
            condemned.append(pod)
    return Slots(wanted, condemned)


def new_pod(stateful_set: Object, revision: Object, number: int) -> Object:
    """Pod `number` after the template of `revision`."""
    pod = from_template(stateful_set, template_of(revision))
    del pod["metadata"]["generateName"]
    pod["metadata"]["name"] = f"{meta.name(stateful_set)}-{number}"
    pod["metadata"]["labels"] = {
        **meta.labels(pod),
        HASH_LABEL: meta.name(revision),
        NAME_LABEL: meta.name(pod),
        INDEX_LABEL: str(number),
    }
    spec = pod["spec"]
    spec["hostname"] = meta.name(pod)
    spec["subdomain"] = stateful_set["spec"].get("serviceName") or ""
    spec["volumes"] = _volumes(stateful_set, spec.get("volumes") or [], number)
    return pod


def _volumes(stateful_set: Object, own: list[Object], number: int) -> list[Object]:
    names = [meta.name(one) for one in stateful_set["spec"].get("volumeClaimTemplates") or ()]
    claimed = [
        {"name": one, "persistentVolumeClaim": {"claimName": _claim(stateful_set, one, number)}}
        for one in names
    ]
    return [*claimed, *(volume for volume in own if volume["name"] not in names)]


def _claim(stateful_set: Object, template: str, number: int) -> str:
    return f"{template}-{meta.name(stateful_set)}-{number}"


def claims(stateful_set: Object, number: int) -> list[Object]:
    """The PersistentVolumeClaims that pod `number` needs."""
    found = []
    selected = stateful_set["spec"]["selector"].get("matchLabels") or {}
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        claim = copy_object(template)
        metadata = claim["metadata"]
        metadata["name"] = _claim(stateful_set, meta.name(template), number)
        metadata["namespace"] = meta.namespace(stateful_set)
        metadata["labels"] = {**meta.labels(template), **selected}
        claim.pop("status", None)
        found.append(claim)
    return found


def claim_owners(
    stateful_set: Object, pod: Object, claim: Object, *, condemned: bool
) -> list[Object]:
    """The owner references a claim should have (persistentVolumeClaimRetentionPolicy)."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    gone = {meta.uid(stateful_set), meta.uid(pod)}
    kept = [one for one in meta.owner_references(claim) if one.get("uid") not in gone]
    if policy.get("whenScaled") == "Delete" and condemned:
        return [*kept, meta.owner_reference(pod)]
    if policy.get("whenDeleted") == "Delete":
        return [*kept, meta.owner_reference(stateful_set)]
    return kept
