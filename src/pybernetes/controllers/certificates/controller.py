# SPDX-License-Identifier: Apache-2.0
"""Approves, signs and removes CertificateSigningRequests. Keys are their names."""

import base64

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis import conditions
from pybernetes.base import tls
from pybernetes.controllers.certificates import plan
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.controller import Context, Keyed, NotYet
from pybernetes.controllers.runtime.resources import CERTIFICATE_SIGNING_REQUESTS, NODES

_REVIEWS = GVR("authorization.k8s.io", "v1", "subjectaccessreviews")
_CLEANING_PERIOD = 3600.0  # seconds
_BY_USER = "spec.username"


class _Requests(Keyed):
    """What the three share: the requests, and writing a condition."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(CERTIFICATE_SIGNING_REQUESTS))

    def _with(self, request: Object, kind: str, reason: str, message: str) -> Object:
        now, status = self._now(), request.get("status") or {}
        new = conditions.new(kind, "True", (reason, message), now, lastUpdateTime=rfc3339(now))
        listed = [*(status.get("conditions") or ()), new]
        return {**request, "status": {**status, "conditions": listed}}

    async def _write(self, request: Object, subresource: str) -> None:
        await self._client.update(CERTIFICATE_SIGNING_REQUESTS, request, subresource=subresource)


class Approving(_Requests):
    """Approves what kubelets may have; what it does not recognise waits for a person."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._objects.add_index(_BY_USER, lambda one: [one["spec"].get("username") or ""])
        self._follow(self._objects)
        self._serving = context.config.approve_kubelet_serving
        if self._serving:
            self._nodes = context.informers.get(NODES)
            self._nodes.on_change(self._node_changed)

    def _node_changed(self, _: Object | None, node: Object | None) -> None:
        """A request that came before its Node had all addresses is looked at again."""
        if node is not None:
            for request in self._objects.by_index(_BY_USER, plan.NODE_PREFIX + meta.name(node)):
                if not plan.is_decided(request):
                    self._queue.add(meta.name(request))

    async def _sync(self, key: str, request: Object) -> None:
        if plan.is_decided(request):
            return
        try:
            asked = plan.read(request)
        except ValueError:
            return  # it can never be signed
        if self._serving and plan.is_serving(request, asked, self._nodes.items()):
            await self._approve(request, "Auto approving kubelet serving certificate of its node.")
            return
        tried = plan.subresources(request, asked)
        for subresource, message in tried:
            if await self._allowed(request, subresource):
                await self._approve(request, message)
                return
        if tried:
            raise NotYet(f"{key} was recognised, but no subject access review approved it")

    async def _allowed(self, request: Object, subresource: str) -> bool:
        spec = request["spec"]
        wanted = {
            "group": "certificates.k8s.io",
            "resource": "certificatesigningrequests",
            "verb": "create",
            "subresource": subresource,
            "version": "*",
        }
        user = {key: spec[key] for key in ("uid", "groups", "extra") if key in spec}
        review = {"user": spec.get("username"), **user, "resourceAttributes": wanted}
        version, kind = "authorization.k8s.io/v1", "SubjectAccessReview"
        asked = {"apiVersion": version, "kind": kind, "spec": review}
        answer = await self._client.create(_REVIEWS, asked)
        return bool(answer["status"].get("allowed"))

    async def _approve(self, request: Object, message: str) -> None:
        approved = self._with(request, "Approved", "AutoApproved", message)
        await self._write(approved, "approval")


class Signing(_Requests):
    """Signs approved requests with the cluster's CA; without one it does nothing."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._ca = context.config.signing_ca
        if self._ca is not None:
            self._follow(self._objects)

    async def _sync(self, key: str, request: Object) -> None:
        if self._ca is None or not plan.awaits_signature(request):
            return
        try:
            wrong = plan.refusal(request["spec"]["signerName"], plan.read(request))
            if not wrong:
                await self._write(self._signed(request, self._ca), "status")
                return
        except ValueError as error:
            wrong = str(error)
        await self._write(self._with(request, "Failed", "SignerValidationFailure", wrong), "status")

    def _signed(self, request: Object, ca: tls.KeyPair) -> Object:
        config, clock = self._context.config, self._context.env.clock
        certificate = tls.sign_request(
            ca,
            plan.pem_of(request),
            clock,
            usages=request["spec"]["usages"],
            seconds=plan.lifetime(request, config.cluster_signing_duration),
        )
        text = base64.b64encode(certificate).decode()
        return {**request, "status": {**request["status"], "certificate": text}}


class Cleaning(_Requests):
    """Removes old requests, once an hour; its only key stands for all of them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        context.queue.add("all")

    async def sync(self, key: str) -> None:
        now = self._now()
        self._queue.add_after(key, _CLEANING_PERIOD)
        for request in self._objects.items():
            if plan.is_stale(request, now):
                await delete_if_there(self._client, CERTIFICATE_SIGNING_REQUESTS, request)
