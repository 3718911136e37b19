# SPDX-License-Identifier: Apache-2.0
"""ipFamilyPolicy and ipFamilies of a Service: what is inferred, and what the cluster cannot give."""

from pybernetes.apimachinery import field
from pybernetes.apimachinery.errors import invalid
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.services.ranges import IPV4, IPV6, Ranges, family_of

_POLICY, _FAMILIES, _IPS = "spec.ipFamilyPolicy", "spec.ipFamilies", "spec.clusterIPs"
SINGLE, REQUIRE = "SingleStack", "RequireDualStack"
_OTHER = {IPV4: IPV6, IPV6: IPV4}


def init_families(new: Object, old: Object | None, ranges: Ranges) -> None:
    """Fill in policy and families, in place. Raises 422."""
    spec = new["spec"]
    was = old["spec"] if old is not None else {}
    if spec.get("type") == "ExternalName" or _same_preference(spec, was):
        return
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = _default_policy(spec, was)
    errors = _update_errors(spec, was) if old is not None else []
    errors += _single_errors(spec) + _infer(spec, ranges)
    _refuse(new, errors)
    if _is_headless(spec) and not spec.get("selector"):
        families = spec.get("ipFamilies") or [ranges.default]
        spec["ipFamilies"] = _completed(families, spec, 2)
        return
    _refuse(new, _cluster_errors(spec, ranges))
    families = spec.get("ipFamilies") or [ranges.default]
    spec["ipFamilies"] = _completed(families, spec, len(ranges.networks))


def _completed(families: list[str], spec: Object, available: int) -> list[str]:
    """With the missing family, where two are wanted and there."""
    if spec["ipFamilyPolicy"] != SINGLE and len(families) == 1 and available == 2:
        return [*families, _OTHER[families[0]]]
    return families


def _is_headless(spec: Object) -> bool:
    return spec.get("clusterIP") == "None"


def _same_preference(spec: Object, was: Object) -> bool:
    """PreferDualStack that does not change keeps what it has."""
    prefer = "PreferDualStack"
    return (
        spec.get("ipFamilyPolicy") == was.get("ipFamilyPolicy") == prefer
        and was.get("type") != "ExternalName"
        and spec.get("clusterIPs") == was.get("clusterIPs")
        and spec.get("ipFamilies") == was.get("ipFamilies")
    )


def _default_policy(spec: Object, was: Object) -> str:
    if was.get("ipFamilyPolicy"):
        return str(was["ipFamilyPolicy"])
    return REQUIRE if _is_headless(spec) and not spec.get("selector") else SINGLE


def _update_errors(spec: Object, was: Object) -> Errors:
    """A single-stack policy drops the second of both; any other policy must not lose one."""
    errors: Errors = []
    for name, words in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        now, before = spec.get(name) or [], was.get(name) or []
        if spec["ipFamilyPolicy"] == SINGLE:
            if now == before and len(now) > 1:
                spec[name] = now[:1]
        elif now and len(now) < len(before):
            detail = f"must be 'SingleStack' to release the secondary {words}"
            errors.append(field.invalid(_POLICY, spec["ipFamilyPolicy"], detail))
    return errors


def _single_errors(spec: Object) -> Errors:
    if spec["ipFamilyPolicy"] != SINGLE:
        return []
    need = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
    return [
        field.invalid(_POLICY, SINGLE, f"{need} {words} are specified")
        for name, words in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        if len(spec.get(name) or ()) == 2
    ]


def _infer(spec: Object, ranges: Ranges) -> Errors:
    """Families of the addresses that were asked for."""
    errors: Errors = []
    families = list(spec.get("ipFamilies") or ())
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        if address == "None":
            break
        if index < len(families):
            continue
        family = family_of(address)
        if family in ranges.networks:
            families.append(family)
        else:
            detail = f"{family} is not configured on this cluster"
            errors.append(field.invalid(f"{_IPS}[{index}]", spec["clusterIPs"], detail))
    if families:
        spec["ipFamilies"] = families
    return errors


def _cluster_errors(spec: Object, ranges: Ranges) -> Errors:
    errors: Errors = []
    if spec["ipFamilyPolicy"] == REQUIRE and len(ranges.networks) < 2:
        detail = "this cluster is not configured for dual-stack services"
        errors.append(field.invalid(_POLICY, REQUIRE, detail))
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in ranges.networks:
            detail = "not configured on this cluster"
            errors.append(field.invalid(f"{_FAMILIES}[{index}]", family, detail))
    return errors


def _refuse(service: Object, errors: Errors) -> None:
    if errors:
        raise invalid("Service", "", service["metadata"]["name"], errors)
