# SPDX-License-Identifier: Apache-2.0
"""The conformance tool's decisions: which specs, which batches, what a result means for the ledger."""

import json
import re
from pathlib import Path

import pytest

from conformance import document, images, ledger, results, specs
from conformance.results import Result
from conformance.runner import Options, Run
from conformance.specs import Spec
from conformance.versions import LEDGER, ROOT, binaries


def result(name: str, state: str) -> Result:
    return Result(name, state, 1.0)


def test_upstreams_list_has_462_specs_of_ten_sigs() -> None:
    found = specs.conformance()
    assert len(found) == 462
    assert len({spec.sig for spec in found}) == 10
    assert all(specs.sig_of(spec.name) == spec.sig for spec in found)


def test_other_specs_that_need_no_cloud_are_told_from_a_listing() -> None:
    names = (
        "[sig-cli] Kubectl client Simple pod should support exec",
        "[sig-node] Probing x [NodeConformance]",
        "[sig-node] Probing y [NodeConformance] [Conformance]",
        "[sig-storage] In-tree Volumes [Driver: gcepd] works",
    )
    listing = "".join(f"    ../e2e/file.go:12: {name}\n" for name in names)
    assert [spec.name for spec in specs.extra(listing)] == list(names[:2])


def test_choosing_by_sig_pattern_and_names() -> None:
    found = specs.conformance()
    apps = specs.choose(found, sig="sig-apps")
    assert len(apps) == 60
    assert {spec.sig for spec in specs.choose(found, focus="CronJob")} == {"sig-apps"}
    other = "[sig-cli] Kubectl Port forwarding works"
    assert specs.choose(found, names=[other]) == [Spec(other, "sig-cli")]


def test_specs_that_run_alone_come_last_in_smaller_batches() -> None:
    many = [Spec(f"a{number}", "") for number in range(9)]
    alone = [Spec(f"b{number} [Serial]", "") for number in range(3)]
    shapes = [(len(batch), batch[0].alone) for batch in specs.batches([*alone, *many], 8)]
    assert shapes == [(8, False), (1, False), (2, True), (1, True)]


def test_a_focus_matches_its_names_and_nothing_else() -> None:
    names = ["[sig-a] x (y) z.? [Slow]", "[sig-a] plain"]
    pattern = specs.focus_of([Spec(name, "sig-a") for name in names])
    assert all(re.search(pattern, name) for name in names)
    assert not re.search(pattern, "[sig-a] plain and more")


def test_a_run_is_compared_with_the_ledger() -> None:
    rows = [result("kept", "passed"), result("new", "passed"), result("lost", "failed")]
    found = ledger.compare(["kept", "lost", "not run"], [*rows, result("never", "timedout")])
    assert [row.name for row in found.kept] == ["kept"]
    assert [row.name for row in found.new] == ["new"]
    assert [row.name for row in found.regressed] == ["lost"]
    assert [row.name for row in found.failing] == ["never"]


def test_only_two_passes_in_a_row_count() -> None:
    rows = [result("a", "passed"), result("a", "failed"), result("a", "passed")]
    assert ledger.passed_twice(rows) == set()
    assert ledger.passed_twice([*rows, result("a", "passed")]) == {"a"}


def test_a_report_gives_names_states_and_the_first_line_of_why(tmp_path: Path) -> None:
    report = {
        "LeafNodeType": "It",
        "ContainerHierarchyTexts": ["[sig-a] outer"],
        "LeafNodeText": "inner",
        "State": "failed",
        "RunTime": 2_500_000_000,
        "Failure": {"Message": "\nexpected 1\ngot 2"},
        "CapturedGinkgoWriterOutput": "the log",
    }
    unfocused = {**report, "State": "skipped", "Failure": {}}
    path = tmp_path / "report.json"
    path.write_text(json.dumps([{"SpecReports": [report, unfocused]}]))
    (finding,) = results.read_report(path, "run")
    assert finding.result == Result("[sig-a] outer inner", "failed", 2.5, "expected 1", "run")
    assert "the log" in finding.log
    assert results.read_report(tmp_path / "none.json", "run") == []


def test_the_ledger_is_sorted_and_holds_upstreams_names_only() -> None:
    names = ledger.read(LEDGER)
    assert names == sorted(set(names))
    assert set(names) <= {spec.name for spec in specs.conformance()}


def test_the_page_counts_what_the_ledger_holds() -> None:
    names = ledger.read(LEDGER)
    assert document.counts(ROOT / "docs" / "conformance.md") == (len(names), 462)
    assert f"| **{len(names)}** |" in document.render(names, [])


def test_what_is_missing_is_named() -> None:
    webhook = (
        "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate configmap"
    )
    names = {spec.name for spec in specs.conformance()} - {f"{webhook} [Conformance]"}
    timeout = Result(f"{webhook} [Conformance]", "failed", 1.0, "timed out waiting")
    assert f"| {webhook} | admission webhooks: " in document.render(sorted(names), [timeout])
    passed = Result(timeout.name, "passed", 1.0)
    assert f"| {webhook} | passed, not twice" in document.render(sorted(names), [passed])


_GINKGO = """#!/bin/sh
trap : INT  # as ginkgo it waits for its processes, which must get the signal themselves
sh -c 'trap "cp {later} report.json; exit" INT; while :; do sleep 0.02; done'
"""


def test_a_run_whose_time_is_over_keeps_what_its_batch_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYBERNETES_CONFORMANCE_CACHE", str(tmp_path))
    report = {"LeafNodeType": "It", "LeafNodeText": "a", "State": "passed"}
    later = tmp_path / "later.json"
    later.write_text(json.dumps([{"SpecReports": [report]}]))
    ginkgo = binaries() / "ginkgo"
    ginkgo.parent.mkdir(parents=True)
    ginkgo.write_text(_GINKGO.format(later=later))
    ginkgo.chmod(0o755)
    run = Run(tmp_path / "run", [Spec("a", ""), Spec("hangs", "")])
    assert not run.go(Options(minutes=0.001))
    assert [(found.name, found.passed) for found in run.results()] == [("a", True)]
    assert [spec.name for spec in run.todo()] == ["hangs"]


def test_no_image_puts_files_where_debian_has_links_to_usr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in /bin would make a folder of the link, and every program in it would be gone."""
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("")
    monkeypatch.setattr(images, "_debian", lambda: tmp_path)
    monkeypatch.setattr(images.builtin, "static_busybox", lambda: tmp_path)
    for recipe in images.RECIPES:
        if recipe.base:
            paths = [entry.path for entry in recipe.content(tmp_path)]
            assert not [path for path in paths if re.match(r"/?(bin|sbin|lib|lib64)/", path)]
