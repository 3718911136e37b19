# SPDX-License-Identifier: Apache-2.0
"""Distil the published CRI api.proto into the descriptor data that pybernetes.cri ships.

Run: python tools/cri/distil.py [path of api.proto]; needs grpcio-tools (development only). The
result holds names, types and numbers of fields: no comments, no generated code.
"""

import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

SOURCE = Path.home() / "go/pkg/mod/k8s.io/cri-api@v0.37.1/pkg/apis/runtime/v1/api.proto"
TARGET = Path(__file__).parents[2] / "src/pybernetes/cri/data/runtime.v1.bin"


def distil(source: Path) -> bytes:
    """The compressed FileDescriptorSet of one .proto file."""
    with tempfile.TemporaryDirectory() as work:
        output = Path(work) / "set"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source.parent}"]
        subprocess.run([*command, f"-o{output}", str(source)], check=True)
        return zlib.compress(output.read_bytes(), 9)


if __name__ == "__main__":
    data = distil(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
    TARGET.write_bytes(data)
    print(f"{TARGET}: {len(data)} bytes")
