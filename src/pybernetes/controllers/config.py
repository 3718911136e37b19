# SPDX-License-Identifier: Apache-2.0
"""What can be set of the controllers. Defaults are kube-controller-manager's; times in seconds."""

from dataclasses import dataclass

from pybernetes.base.tls import KeyPair


@dataclass(frozen=True, slots=True)
class ControllersConfig:
    """`controllers`: names to run, "*" for all, "-name" to leave one out (upstream's flag)."""

    controllers: tuple[str, ...] = ("*",)
    root_ca: str = ""  # PEM, published as kube-root-ca.crt; empty: not published
    signing_ca: KeyPair | None = None  # signs CertificateSigningRequests; None: nobody does
    cluster_signing_duration: float = 365 * 86400.0  # how long such a certificate lives at most
    approve_kubelet_serving: bool = False  # for names and addresses that the Node object has
    cluster_cidrs: tuple[str, ...] = ("10.244.0.0/16",)  # pod ranges, at most one per IP family
    node_cidr_mask_ipv4: int = 24
    node_cidr_mask_ipv6: int = 64
    node_monitor_grace_period: float = 50.0
    node_startup_grace_period: float = 60.0
    node_eviction_rate: float = 0.1  # nodes a second that get a NoExecute taint, per zone
    node_secondary_eviction_rate: float = 0.01  # the same in large zones that are partly down
    unhealthy_zone_threshold: float = 0.55
    large_cluster_size: int = 50
    terminated_pod_threshold: int = 12500
    pod_gc_period: float = 20.0
    freeze_caches: bool = False  # for tests: objects from caches refuse changes
