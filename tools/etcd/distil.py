# SPDX-License-Identifier: Apache-2.0
"""Distil etcd's published .proto files into the descriptor data that pybernetes.storage.etcd ships.

Run: python tools/etcd/distil.py [folder of go.etcd.io/etcd/api/v3]; needs grpcio-tools (development
only). The result holds names, types and numbers of fields of the services in SERVICES: no comments,
no options, no generated code.
"""

import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

SOURCE = Path.home() / "go/pkg/mod/go.etcd.io/etcd/api/v3@v3.6.15"
TARGET = Path(__file__).parents[2] / "src/pybernetes/storage/etcd/data/rpc.bin"
FILES = {"mvccpb/kv.proto": "mvccpb.proto", "etcdserverpb/rpc.proto": "rpc.proto"}
SERVICES = ("KV", "Watch", "Lease", "Maintenance")


def plain(text: str) -> str:
    """A .proto file without what only generators of other languages need."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r'import "etcd/api/mvccpb/kv.proto";', 'import "mvccpb.proto";', text)
    text = re.sub(r'import "(?!mvccpb)[^"]*";', "", text)
    text = re.sub(r"\{\s*option \(google\.api\.http\) = \{.*?\};\s*\}", ";", text, flags=re.S)
    text = re.sub(r"option \([^)]*\)[.\w]* = \{.*?\n\};", "", text, flags=re.S)
    text = re.sub(r"option [^;]*;", "", text)
    text = re.sub(r"\s*\[[^\]]*\]\s*;", ";", text)
    for name in re.findall(r"service (\w+)", text):
        if name not in SERVICES:
            text = re.sub(rf"service {name} \{{.*?\n\}}", "", text, flags=re.S)
    for name in re.findall(r"message (Auth\w+)", text):
        text = re.sub(rf"message {name} \{{.*?\n?\}}\n", "", text, flags=re.S)
    return text


def distil(source: Path) -> bytes:
    """The compressed FileDescriptorSet."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name, short in FILES.items():
            (folder / short).write_text(plain((source / name).read_text()))
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}"]
        command += ["--include_imports", f"-o{folder / 'set'}", str(folder / "rpc.proto")]
        subprocess.run(command, check=True)
        return zlib.compress((folder / "set").read_bytes(), 9)


if __name__ == "__main__":
    data = distil(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(data)
    print(f"{TARGET}: {len(data)} bytes")
