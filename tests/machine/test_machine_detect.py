# SPDX-License-Identifier: Apache-2.0
"""Detection and configuration of what a node needs."""

import tomllib

import pytest

from pybernetes.machine import config, detect


def test_each_missing_program_is_a_line_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr(detect, "_PATH", str(tmp_path))
    monkeypatch.setattr(detect, "CNI_BIN_DIRS", (tmp_path,))
    lines = [str(item) for item in detect.detect()]
    assert "runc is missing (starts containers); install it with: apt-get install runc" in lines
    assert any("containernetworking-plugins" in line for line in lines)


def test_config_is_toml_that_keeps_to_our_folder(tmp_path):
    settings = tomllib.loads(config.render(config.Config(tmp_path)))
    cri = settings["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert settings["root"].startswith(str(tmp_path))
    assert settings["state"].startswith(str(tmp_path))


def test_long_data_directory_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="too long for a unix socket"):
        config.Config(tmp_path / ("x" * 120)).check()
