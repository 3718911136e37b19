# SPDX-License-Identifier: Apache-2.0
"""What ends a command is said in one line."""

import pytest

from pybernetes.cli.main import main


def test_what_the_system_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--node", "hollow", "--data-dir", "/proc/nowhere"]) == 1
    assert capsys.readouterr().err == (
        "pybernetes: [Errno 2] No such file or directory: '/proc/nowhere'\n"
    )


def test_what_a_room_says_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["component", "scheduler", "--kubeconfig", "/nowhere"]) == 1
    assert capsys.readouterr().err == "pybernetes: /nowhere: no current context is set\n"
