# SPDX-License-Identifier: Apache-2.0
"""kubeconfig files: read, merged, written."""

import base64
from pathlib import Path

import pytest

from pybernetes.client import kubeconfig
from pybernetes.client.kubeconfig import KubeconfigError

OTHERS = """
apiVersion: v1
kind: Config
clusters: [{name: work, cluster: {server: "https://work:6443"}}]
users: [{name: me, user: {exec: {command: login}}}]
contexts: [{name: work, context: {cluster: work, user: me, namespace: team}}]
current-context: work
"""


def test_a_context_is_merged_beside_others_and_removed_again(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(OTHERS)
    (tmp_path / "key.pem").write_bytes(b"KEY")
    ca = base64.b64encode(b"CA").decode()
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": ca}
    user = {"client-certificate-data": kubeconfig.inline(b"CERT"), "client-key": "key.pem"}
    kubeconfig.merge_context(path, "pybernetes", cluster, user)
    kubeconfig.merge_context(path, "pybernetes", cluster, user)  # replaces, does not add
    found = kubeconfig.load(path)
    assert (found.server, found.ca) == ("https://127.0.0.1:6443", b"CA")
    assert (found.certificate, found.key) == (b"CERT", b"KEY")
    assert path.stat().st_mode & 0o077 == 0
    assert len(kubeconfig.read(path)["clusters"]) == 2
    kubeconfig.remove_context(path, "pybernetes")
    assert [item["name"] for item in kubeconfig.read(path)["contexts"]] == ["work"]
    with pytest.raises(KubeconfigError, match="no current context"):
        kubeconfig.load(path)


def test_what_is_not_supported_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(OTHERS)
    with pytest.raises(KubeconfigError, match="'exec' is not supported"):
        kubeconfig.load(path)
    with pytest.raises(KubeconfigError, match="context 'nowhere' does not exist"):
        kubeconfig.load(path, "nowhere")
