# SPDX-License-Identifier: Apache-2.0
"""A cluster's keys and certificates, laid out as kubeadm does, made once and renewed when they near their end."""

import datetime
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
    ca = _authority(folder, "ca", "kubernetes", clock)
    front_proxy = _authority(folder, "front-proxy-ca", "front-proxy-ca", clock)
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
    issued = {
        "apiserver": (server, ("server",)),
        "apiserver-kubelet-client": (kubelet_client, ("client",)),
        "kubelet": (node, ("server",)),
        "admin": (tls.Subject("kubernetes-admin", ["system:masters"]), ("client",)),
    }
    pairs = {
        name: _issued(folder, name, ca, clock, subject=subject, usages=usages)
        for name, (subject, usages) in issued.items()
    }
    return Pki(
        ca=ca,
        front_proxy_ca=front_proxy,
        apiserver=pairs["apiserver"],
        kubelet_client=pairs["apiserver-kubelet-client"],
        kubelet=pairs["kubelet"],
        admin=pairs["admin"],
        service_account=_signing_key(folder),
    )


def _authority(folder: Path, name: str, common_name: str, clock: Clock) -> tls.KeyPair:
    pair = tls.load(folder, name)
    if pair is None:
        pair = tls.new_ca(common_name, clock)
        tls.save(pair, folder, name)
    return pair


def _issued(
    folder: Path,
    name: str,
    ca: tls.KeyPair,
    clock: Clock,
    *,
    subject: tls.Subject,
    usages: tuple[str, ...],
) -> tls.KeyPair:
    pair = tls.load(folder, name)
    ends = pair is not None and tls.not_after(pair.certificate) - clock.now() < RENEW_BEFORE
    if pair is None or ends or not tls.names(pair.certificate) >= {*subject.dns, *subject.ips}:
        pair = tls.issue(ca, subject, clock, usages=usages)
        tls.save(pair, folder, name)
    return pair


def _signing_key(folder: Path) -> bytes:
    path = folder / "sa.key"
    if not path.exists():
        files.write_private(path, tls.new_key())
    return path.read_bytes()
