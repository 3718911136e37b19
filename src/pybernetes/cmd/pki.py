# SPDX-License-Identifier: Apache-2.0
"""A cluster's keys and certificates, laid out as kubeadm does, made once and renewed when they near their end."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pybernetes.base import files, tls
from pybernetes.base.clock import Clock
from pybernetes.cmd.config import ClusterConfig

RENEW_BEFORE = datetime.timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Pki:
    """PEM material. `service_account` is the key that signs tokens."""

    ca: tls.KeyPair
    front_proxy_ca: tls.KeyPair
    apiserver: tls.KeyPair
    kubelet_client: tls.KeyPair
    kubelet: tls.KeyPair
    admin: tls.KeyPair
    service_account: bytes


def ensure(config: ClusterConfig, clock: Clock) -> Pki:
    """Load the cluster's PKI from its data directory, making what is missing or ending."""
    folder = config.data_dir / "pki"

    def authority(name: str, common_name: str) -> tls.KeyPair:
        return _kept(folder, name, lambda: tls.new_ca(common_name, clock), lambda _: True)

    def issued(name: str, subject: tls.Subject, *usages: str) -> tls.KeyPair:
        return _kept(
            folder,
            name,
            lambda: tls.issue(ca, subject, clock, usages=usages),
            lambda pair: tls.good_for(pair, subject, clock) >= RENEW_BEFORE,
        )

    ca = authority("ca", "kubernetes")
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names += [f"kubernetes.default.svc.{config.domain}", config.node_name]
    addresses = ["127.0.0.1", "::1", config.gateway, config.service_ip]
    server = tls.Subject("kube-apiserver", dns=names, ips=addresses)
    kubelet_client = tls.Subject("kube-apiserver-kubelet-client", ["system:masters"])
    node = tls.Subject(
        f"system:node:{config.node_name}",
        ["system:nodes"],
        dns=[config.node_name, "localhost"],
        ips=["127.0.0.1", config.gateway],
    )
    return Pki(
        ca=ca,
        front_proxy_ca=authority("front-proxy-ca", "front-proxy-ca"),
        apiserver=issued("apiserver", server, "server"),
        kubelet_client=issued("apiserver-kubelet-client", kubelet_client, "client"),
        kubelet=issued("kubelet", node, "server"),
        admin=issued("admin", tls.Subject("kubernetes-admin", ["system:masters"]), "client"),
        service_account=_signing_key(folder),
    )


def _kept(
    folder: Path,
    name: str,
    make: Callable[[], tls.KeyPair],
    good: Callable[[tls.KeyPair], bool],
) -> tls.KeyPair:
    """What is in the folder under that name, if it is good; else a new one, which then is there."""
    pair = tls.load(folder, name)
    if pair is None or not good(pair):
        pair = make()
        tls.save(pair, folder, name)
    return pair


def _signing_key(folder: Path) -> bytes:
    path = folder / "sa.key"
    if not path.exists():
        files.write_private(path, tls.new_key())
    return path.read_bytes()
