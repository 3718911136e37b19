# SPDX-License-Identifier: Apache-2.0
"""Configuration of the API server: one frozen value, made by cmd/."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Config:
    """Flags of kube-apiserver that we have, under their names; key material is PEM or raw bytes.

    `service_cluster_ip_range` is one range, or an IPv4 and an IPv6 range joined by a comma.
    `service_account_keys`: PEM public keys that verify tokens; the signing key is a private one.
    """

    # where the server is reached
    advertise_address: str = "127.0.0.1"
    advertise_port: int = 6443
    service_port: int = 443
    # services
    service_cluster_ip_range: str = "10.96.0.0/12"
    service_node_port_range: tuple[int, int] = (30000, 32767)
    # service account tokens
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    service_account_signing_key: bytes = b""
    service_account_keys: tuple[bytes, ...] = ()
    # who may call
    client_ca: bytes = b""
    requestheader_client_ca: bytes = b""
    anonymous_auth: bool = True
    token_users: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    # the audit log; "" for the path: none
    audit_log_path: str = ""
    audit_log_maxsize: int = 100  # megabytes of one file
    audit_log_maxbackup: int = 1
    # limits
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    max_request_body_bytes: int = 3 * 1024 * 1024
    request_timeout: float = 60.0
    min_request_timeout: int = 1800  # watches live between this and twice this, in seconds
    # the store and its cache
    compaction_interval: float = 300.0  # seconds of history kept for watches and list tokens
    watch_history: int = 4096  # recent events kept per resource
    watch_queue: int = 10_000  # events a slow watcher may be behind before it is cut off
    bookmark_interval: float = 60.0

    @property
    def audiences(self) -> tuple[str, ...]:
        """Those for which tokens must be meant to be accepted here."""
        return (self.service_account_issuer,)
