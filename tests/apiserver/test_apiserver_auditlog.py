# SPDX-License-Identifier: Apache-2.0
"""The audit log: who did what, refusals included, bodies never."""

import json

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.config import Config

SECRETS = "/api/v1/namespaces/default/secrets"


async def test_every_request_leaves_a_line_and_no_secret_does(start, tmp_path) -> None:
    path = tmp_path / "audit.log"
    call = await start(Config(audit_log_path=str(path)))
    secret = {"metadata": {"name": "s"}, "data": {"key": "aHVzaA=="}}
    await call("POST", SECRETS, secret, expect=201, user_agent="kubectl -- a test")
    call.user = User("eve", ("system:authenticated",))
    await call("GET", f"{SECRETS}?limit=5", expect=403)

    created, refused = (json.loads(line) for line in path.read_text().splitlines())
    assert created["verb"] == "create"
    assert created["userAgent"] == "kubectl -- a test"
    assert created["objectRef"]["resource"] == "secrets"
    assert created["responseStatus"] == {"code": 201}
    assert created["level"] == "Metadata"
    assert refused["user"]["username"] == "eve"
    assert refused["requestURI"] == f"{SECRETS}?limit=5"
    assert refused["responseStatus"] == {"code": 403}
    assert "aHVzaA" not in path.read_text()


async def test_a_refused_impersonation_names_who_tried(start, tmp_path) -> None:
    path = tmp_path / "audit.log"
    call = await start(Config(audit_log_path=str(path)))
    call.user = User("eve", ("system:authenticated",))
    await call("GET", SECRETS, expect=403, impersonate_user="admin")
    (refused,) = (json.loads(line) for line in path.read_text().splitlines())
    assert refused["user"]["username"] == "eve"
