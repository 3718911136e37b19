# SPDX-License-Identifier: Apache-2.0
"""podFailurePolicy and successPolicy: which rule matches, and what it says. Pure."""

from collections.abc import Collection

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.job import indexes


def failure_action(job: Object, pod: Object) -> tuple[str, str]:
    """(action, message) of the first rule that a failed pod matches; ("Count", "") for none."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    for number, rule in enumerate(rules):
        text = _matches_codes(rule, pod) or _matches_conditions(rule, pod)
        if text:
            action = rule["action"]
            return action, f"{text} matching {action} rule at index {number}"
    return "Count", ""


def _matches_codes(rule: Object, pod: Object) -> str:
    wanted = rule.get("onExitCodes")
    if not wanted:
        return ""
    status = pod.get("status") or {}
    for group in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(group) or ():
            ended = (container.get("state") or {}).get("terminated") or {}
            code = ended.get("exitCode") or 0
            named = wanted.get("containerName") in {None, "", container["name"]}
            if named and code and (code in wanted["values"]) == (wanted["operator"] == "In"):
                where = f"Container {container['name']} for pod {meta.key(pod)}"
                return f"{where} failed with exit code {code}"
    return ""


def _matches_conditions(rule: Object, pod: Object) -> str:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    for wanted in rule.get("onPodConditions") or ():
        for condition in conditions:
            if condition["type"] == wanted["type"] and condition["status"] == wanted["status"]:
                return f"Pod {meta.key(pod)} has condition {wanted['type']}"
    return ""


def success_message(job: Object, succeeded: Collection[int]) -> str:
    """Why an indexed job counts as done before all its indexes are; "" if it does not."""
    rules = (job["spec"].get("successPolicy") or {}).get("rules") or ()
    for number, rule in enumerate(rules):
        named = rule.get("succeededIndexes")
        counted = indexes.parse(named or "", job["spec"].get("completions") or 0)
        done = set(succeeded) if named is None else counted & set(succeeded)
        enough = rule.get("succeededCount", len(counted))
        if enough and len(done) >= enough:
            return f"Matched rules at index {number}"
    return ""
