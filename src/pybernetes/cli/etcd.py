# SPDX-License-Identifier: Apache-2.0
"""The store's flags, named as kube-apiserver's and etcd's, and what config.json keeps of them."""

import argparse
from pathlib import Path
from typing import Any

FILES = ("etcd_cafile", "etcd_certfile", "etcd_keyfile")


def arguments(parser: argparse.ArgumentParser) -> None:
    words = "refuse writes when the file has so many bytes in use (0: when the disk is full)"
    parser.add_argument("--quota-backend-bytes", metavar="N", type=int, help=words)
    group = parser.add_argument_group("etcd, where the state is not in a file of this machine")
    group.add_argument("--etcd-servers", metavar="URL[,URL]", help="the members' client URLs")
    group.add_argument("--etcd-cafile", metavar="FILE", help="the CA that signed the members'")
    group.add_argument("--etcd-certfile", metavar="FILE", help="our certificate for etcd")
    group.add_argument("--etcd-keyfile", metavar="FILE", help="its key")
    group.add_argument("--etcd-prefix", metavar="KEY", help="begins every key (default: /registry)")


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for; files by absolute paths."""
    asked = {}
    for name in ("quota_backend_bytes", "etcd_servers", "etcd_prefix", *FILES):
        if (value := getattr(options, name)) is not None:
            asked[name] = str(Path(value).absolute()) if name in FILES and value else value
    return asked
