# SPDX-License-Identifier: Apache-2.0
"""Puts a cluster into the user's kubeconfig, as kind and k3d do, and takes it out again."""

import os
from pathlib import Path

from pybernetes.base.errors import Told
from pybernetes.cli.clusters import DEFAULT_NAME, Cluster
from pybernetes.client import kubeconfig


def context_name(cluster: Cluster) -> str:
    """ "pybernetes" for the default cluster, "pybernetes-NAME" for others."""
    return DEFAULT_NAME if cluster.name == DEFAULT_NAME else f"{DEFAULT_NAME}-{cluster.name}"


def user_kubeconfig() -> Path:
    """The file kubectl writes to: the first of KUBECONFIG, else ~/.kube/config."""
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"


def use_context(cluster: Cluster) -> str:
    """Merge the cluster's credentials and make it current; the context's name."""
    name = context_name(cluster)
    try:
        own = kubeconfig.read(Path(cluster.state()["kubeconfig"]))
        entry, user = own["clusters"][0]["cluster"], own["users"][0]["user"]
        kubeconfig.merge_context(user_kubeconfig(), name, entry, user)
    except (OSError, kubeconfig.KubeconfigError) as error:
        raise Told(f"{user_kubeconfig()} cannot be changed: {error}") from error
    return name


def drop_context(cluster: Cluster) -> None:
    """Remove the cluster from the user's kubeconfig."""
    try:
        kubeconfig.remove_context(user_kubeconfig(), context_name(cluster))
    except (OSError, kubeconfig.KubeconfigError) as error:
        raise Told(f"{user_kubeconfig()} cannot be changed: {error}") from error
