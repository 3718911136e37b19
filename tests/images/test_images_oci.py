# SPDX-License-Identifier: Apache-2.0
"""The image writer: deterministic archives that hold what was asked for."""

import io
import json
import tarfile

import pytest

from pybernetes.images import oci
from pybernetes.images.oci import Entry, ImageConfig


def layer_of(archive):
    with tarfile.open(archive) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))[0]
        config = json.load(outer.extractfile(manifest["Config"]))
        data = outer.extractfile(manifest["Layers"][0]).read()
        index = json.load(outer.extractfile("index.json"))
    return tarfile.open(fileobj=io.BytesIO(data)), config, index


def test_folder_becomes_an_image(tmp_path):
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").write_bytes(b"program")
    (root / "bin/tool").chmod(0o4755)
    (root / "bin/alias").symlink_to("tool")
    config = ImageConfig(entrypoint=("/bin/tool",), env={"A": "1"}, user="7", ports=("80/tcp",))
    oci.build(tmp_path / "image.tar", ["web"], config, oci.folder(root))
    layer, written, index = layer_of(tmp_path / "image.tar")
    assert layer.getnames() == ["bin", "bin/alias", "bin/tool"]
    assert layer.getmember("bin/tool").mode == 0o4755
    assert layer.getmember("bin/alias").linkname == "tool"
    assert written["config"]["Env"] == ["A=1"]
    assert written["config"]["User"] == "7"
    name = index["manifests"][0]["annotations"]["io.containerd.image.name"]
    assert name == "docker.io/library/web:latest"


def test_same_input_same_bytes(tmp_path):
    for name in ("one", "two"):
        oci.build(tmp_path / name, ["a/b:1"], ImageConfig(), [Entry("x/y", data=b"z")])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("pybernetes/web:1", "docker.io/pybernetes/web:1"),
        ("registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause:3.10.2"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
    ],
)
def test_references(name, full):
    assert oci.reference(name) == full
