# SPDX-License-Identifier: Apache-2.0
"""The committed data file is what the tool distils from upstream's modules; small and quick."""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pybernetes.apis.data import types

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
DATA = ROOT / "src/pybernetes/apis/data/builtin.jsonl.gz"


@pytest.mark.golden
def test_data_file_is_current(tmp_path: Path) -> None:
    assert (CACHE / "k8s.io/kubernetes@v1.37.1").exists(), "upstream's module is missing"
    output = tmp_path / "data.gz"
    command = [sys.executable, "-m", "tools.schema", str(CACHE), str(output)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert gzip.decompress(output.read_bytes()) == gzip.decompress(DATA.read_bytes())


@pytest.mark.golden
def test_protobuf_numbers_are_those_of_the_published_proto_files() -> None:
    text = (CACHE / "k8s.io/api@v0.37.1/core/v1/generated.proto").read_text()
    body = text.partition("\nmessage PodSpec {")[2].partition("\n}")[0]
    lines = [line.strip() for line in body.splitlines() if line.strip().endswith(";")]
    published = {line.split()[-3]: int(line.split()[-1].rstrip(";")) for line in lines}
    fields = types.raw("io.k8s.api.core.v1.PodSpec")["p"]
    assert {name: node["n"] for name, node in fields.items()} == published


def test_structs_inlined_in_json_are_messages_in_protobuf() -> None:
    volume = types.raw("io.k8s.api.core.v1.Volume")
    ((number, names),) = volume["in"]
    assert (number, volume["p"]["name"]["n"]) == (2, 1)
    assert set(names) == volume["p"].keys() - {"name"}


def test_no_prose_is_committed() -> None:
    assert b" " not in gzip.decompress(DATA.read_bytes())
    assert DATA.stat().st_size < 400_000


def test_data_loads_quickly() -> None:
    began = time.process_time()
    lines = gzip.decompress(DATA.read_bytes()).split(b"\n")
    json.loads(lines[0])
    assert time.process_time() - began < 0.06
