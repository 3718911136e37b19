# SPDX-License-Identifier: Apache-2.0
"""Who may do what: authenticators, authorizers, token issuing and reviews, put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.authentication import keys, union
from pybernetes.apiserver.authentication.token import BearerTokens
from pybernetes.apiserver.authentication.tokens import TokenIssuer
from pybernetes.apiserver.authorization import review
from pybernetes.apiserver.authorization import union as authorizers
from pybernetes.apiserver.authorization.escalation import EscalationCheck
from pybernetes.apiserver.authorization.node import NodeAuthorizer
from pybernetes.apiserver.authorization.rbac import WATCHED, Rbac
from pybernetes.apiserver.cache.entry import Selection
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.reading import PODS, CacheReader
from pybernetes.apiserver.subresources.reviews import Answer
from pybernetes.apiserver.types import Authorizer

_AUTHN, _AUTHZ = "authentication.k8s.io", "authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Security:
    """The parts that decide about callers."""

    authenticator: union.Union
    authorizer: Authorizer
    escalation: EscalationCheck
    issuer: TokenIssuer | None
    verify_keys: tuple[keys.VerifyKey, ...]
    reviews: Mapping[tuple[str, str], Answer]
    reader: CacheReader

    def request_token(self, ctx: Context, obj: Object) -> Object:
        """serviceaccounts/token."""
        if self.issuer is None:
            raise ApiError(
                501,
                "NotImplemented",
                "this server has no key to sign service account tokens: none was configured",
            )
        return self.issuer.request(self.reader, ctx.info.namespace, ctx.info.name, obj)


def build(core: Core, reader: CacheReader) -> Security:
    """From the server's configuration."""
    config = core.config
    issuer = TokenIssuer(core.env, config) if config.service_account_signing_key else None
    verify = tuple(keys.load_public(pem) for pem in config.service_account_keys)
    if issuer is not None and issuer.verify_key.key_id not in {key.key_id for key in verify}:
        verify = (issuer.verify_key, *verify)
    bearer = union.bearer_tokens(config, verify, reader, core.env.clock)
    rbac = Rbac(reader)
    node = NodeAuthorizer(reader, lambda name: pods_on(core, name))
    authorizer = authorizers.Union([node, rbac])
    for gvr in WATCHED:
        reader.on_change(gvr, partial(rbac.changed, gvr))
    return Security(
        authenticator=union.build(config, bearer, core.env.clock),
        authorizer=authorizer,
        escalation=EscalationCheck(rbac, authorizer),
        issuer=issuer,
        verify_keys=verify,
        reviews=_reviews(authorizer, rbac, bearer),
        reader=reader,
    )


def pods_on(core: Core, node: str) -> list[Object]:
    """The pods of a node, from the index on spec.nodeName."""
    serving = core.resources.find(PODS)
    if serving is None:
        return []
    terms = Selection(exact=("field", "spec.nodeName", node))
    cache = serving.cache
    found = cache.indexes.candidates(terms, cache.entries) or {}
    return [serving.decode(cache.entries[key]) for key in found]


def _reviews(
    authorizer: Authorizer, rbac: Rbac, bearer: BearerTokens
) -> Mapping[tuple[str, str], Answer]:
    return {
        (_AUTHN, "tokenreviews"): lambda ctx, obj: union.review_token(bearer, obj),
        (_AUTHN, "selfsubjectreviews"): lambda ctx, obj: {
            **obj,
            "status": {"userInfo": ctx.user.info()},
        },
        (_AUTHZ, "subjectaccessreviews"): lambda _, obj: review.access_review(authorizer, obj),
        (_AUTHZ, "localsubjectaccessreviews"): lambda ctx, obj: review.access_review(
            authorizer, obj, namespace=ctx.info.namespace
        ),
        (_AUTHZ, "selfsubjectaccessreviews"): lambda ctx, obj: review.access_review(
            authorizer, obj, ctx.user
        ),
        (_AUTHZ, "selfsubjectrulesreviews"): lambda ctx, obj: review.self_subject_rules_review(
            rbac, obj, ctx.user
        ),
    }
