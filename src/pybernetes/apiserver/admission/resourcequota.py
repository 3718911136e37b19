# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: charges every new object to its namespace's quotas, or refuses it. Comes last."""

from collections.abc import Mapping

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core import quota as rules
from pybernetes.apis.core.pod.requests import Amounts
from pybernetes.apiserver.admission.plugin import Plugin, forbidden
from pybernetes.apiserver.cache.entry import EVERYTHING
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.resources import Serving
from pybernetes.apiserver.rest.commit import change
from pybernetes.apiserver.types import AdmissionRequest

QUOTAS = GVR("", "v1", "resourcequotas")
_UPDATED = {"services", "persistentvolumeclaims", "resize"}  # an update may ask for more


class ResourceQuota(Plugin):
    """A request that fails later leaves its charge behind until the controller counts again."""

    subresources = frozenset(("", "resize"))

    def __init__(self, core: Core) -> None:
        self._core = core

    async def validate(self, request: AdmissionRequest) -> None:
        gvr = request.resource.gvr
        updated = "resize" if request.subresource else gvr.resource
        if not request.namespace or (request.operation != "CREATE" and updated not in _UPDATED):
            return
        quotas = self._core.resources.find(QUOTAS)
        if quotas is None:
            return
        for entry in quotas.cache.select(request.namespace, EVERYTHING):
            quota = quotas.decode(entry)
            more = self._more(quota, gvr, request)
            if more:
                await self._charge(quotas, quota, more, request)

    def _more(self, quota: Object, gvr: GVR, request: AdmissionRequest) -> Amounts:
        """What the request adds to what the quota counts. Raises 403 for what it must say."""
        obj = request.obj
        hard = (quota.get("spec") or {}).get("hard") or {}
        if not any(rules.tracks(name, gvr) for name in hard) or not rules.matches(quota, gvr, obj):
            return {}
        if gvr == rules.PODS and (lacking := rules.unspecified(quota, obj)):
            name = quota["metadata"]["name"]
            raise forbidden(request, f"failed quota: {name}: must specify {'; '.join(lacking)}")
        used = rules.usage(gvr, obj)
        if request.old and rules.matches(quota, gvr, request.old):
            before = rules.usage(gvr, request.old)
            used = {name: number - before.get(name, 0) for name, number in used.items()}
        return {name: number for name, number in used.items() if name in hard and number > 0}

    async def _charge(
        self, quotas: Serving, quota: Object, more: Amounts, request: AdmissionRequest
    ) -> None:
        where = request.namespace, quota["metadata"]["name"]

        def taken(fresh: Object) -> bool:
            status = fresh.setdefault("status", {})
            used = dict(status.get("used") or {})
            hard = status.get("hard") or {}
            after = {
                name: number + rules.amount(name, used.get(name, "0"))
                for name, number in more.items()
                if name in hard
            }
            if any(number > rules.amount(name, hard[name]) for name, number in after.items()):
                raise forbidden(request, _exceeded(where[1], hard, used, more, after=after))
            if request.dry_run or not after:
                return False
            shown = {name: rules.shown(name, n, hard[name]) for name, n in after.items()}
            status["used"] = {**used, **shown}
            return True

        await change(self._core, quotas, where, taken)


def _exceeded(
    name: str, hard: Mapping[str, str], used: Mapping[str, str], more: Amounts, *, after: Amounts
) -> str:
    over = sorted(key for key in after if after[key] > rules.amount(key, hard[key]))
    requested = ",".join(f"{key}={rules.shown(key, more[key], hard[key])}" for key in over)
    have = ",".join(f"{key}={used.get(key, '0')}" for key in over)
    limited = ",".join(f"{key}={hard[key]}" for key in over)
    return f"exceeded quota: {name}, requested: {requested}, used: {have}, limited: {limited}"
