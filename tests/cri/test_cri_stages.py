# SPDX-License-Identifier: Apache-2.0
"""Stages by themselves: what files say, which faults they have, and what is drawn from them."""

import statistics

import pytest

from pybernetes.apimachinery.settings import SettingsError
from pybernetes.base.random import Random
from pybernetes.cri.stagefile import parse
from pybernetes.cri.stages import Curve, Exit, Where


def only(text: str, what: str = "run") -> object:
    """What the only stage, whose YAML this is, says."""
    return parse("stages:\n- " + text).find(what, Where("n"))


def delay(text: str) -> object:
    return only(f"run: {{for: {text}}}").lasts  # type: ignore[attr-defined]


WRONG = """\
stages:
- name: a
  match: {label: app=web}
- pull: {takes: 5 parsecs, fails: often}
- run:
    for: {about: [20%, 5s]}
- run: {for: 1s, exit: {0: 1, 256: 1}}
- match: {labels: "app in"}
- usage:
    memory:
      0s: 10Mi
      soon: 20Mi
- usage: {cpu: lots}
- match: {namespace: shop, node: n-1}
  node: {capacity: {cpu: 4}}
- run: {exit: 1}
"""


def test_every_fault_has_its_line_and_says_what_is_meant() -> None:
    with pytest.raises(SettingsError) as error:
        parse(WRONG)
    found = [str(fault) for fault in error.value.faults]
    assert found == [
        'line 3: stages[0].match.label: unknown (did you mean "labels"?); known here: '
        "node, namespace, pod, container, image, labels, annotations, init",
        'line 4: stages[1].pull.fails: "often" is not a number of tries, a share (30%) or always',
        'line 4: stages[1].pull.takes: "5 parsecs" is not a duration such as 200ms, 5s or 1m30s',
        'line 16: stages[8].run: "for" is missing',
    ]
    kept = [line for line in WRONG.splitlines() if "label:" not in line and "parsecs" not in line]
    with pytest.raises(SettingsError) as error:
        parse("\n".join(kept[:-1]))
    found = [str(fault) for fault in error.value.faults]
    assert found == [
        "line 4: stages[1].run.for.about: must be a duration, then a share: [5s, 20%]",
        'line 5: stages[2].run.exit.256: "256" is no exit code: 0 to 255, or OOMKilled',
        "line 6: stages[3].match.labels: unable to parse requirement: found '' expected: '('",
        'line 10: stages[4].usage.memory.soon: "soon" is no time such as 30s or 1m30s',
        'line 11: stages[5].usage.cpu: "lots" is no quantity such as 250m or 64Mi',
        "line 12: stages[6].match: a stage about nodes can match by node only",
    ]


def test_the_first_stage_that_matches_and_says_something_decides() -> None:
    stages = parse("""
stages:
- name: shop's
  match: {namespace: [shop, "shop-*"], labels: "app=web,tier!=db", container: "w*"}
  run: {for: 1s}
- match: {image: "*/web:*", annotations: example.org/slow, init: false}
  pull: {takes: 9s}
  run: {for: 2s}
- match: {node: n-1*}
  run: {for: 3s}
""")

    def lasts(**where: object) -> float | None:
        found = stages.find("run", Where(**{"node": "n-2", **where}))  # type: ignore[arg-type]
        return found and found.lasts.first

    web = {"namespace": "shop-2", "container": "web", "labels": {"app": "web"}}
    assert lasts(**web) == 1
    assert lasts(**{**web, "labels": {"app": "web", "tier": "db"}}) is None
    assert lasts(**{**web, "namespace": "shops"}) is None
    slow = {"image": "a/web:1", "annotations": {"example.org/slow": "yes"}}
    assert lasts(**slow) == 2
    assert lasts(**slow, init=True) is None
    assert lasts(**{**slow, "annotations": {}}, node="n-12") == 3
    assert stages.find("pull", Where("n-12", **slow)).takes.first == 9  # type: ignore[arg-type]
    assert parse("stages: []").find("run", Where("n")) is None


@pytest.mark.parametrize(
    ("text", "mean", "deviation"),
    [
        ("1m30s", 90, 0),
        ("0.25", 0.25, 0),
        ("{between: [2s, 4s]}", 3, 2 / 12**0.5),
        ("{about: [10s, 20%]}", 10, 4 / 12**0.5),
        ("{normal: [30s, 5s]}", 30, 5),
        ("{exponential: 8s}", 8, 8),
    ],
)
def test_delays_have_the_distribution_they_name(text: str, mean: float, deviation: float) -> None:
    drawn = [delay(text).draw(Random(number)) for number in range(3000)]  # type: ignore[attr-defined]
    assert statistics.fmean(drawn) == pytest.approx(mean, rel=0.05)
    assert statistics.pstdev(drawn) == pytest.approx(deviation, rel=0.06)
    assert min(drawn) >= 0


def test_draws_depend_on_the_seed_and_on_whom_they_are_for_only() -> None:
    stages = parse("seed: 7\nstages:\n- run: {for: {between: [0s, 1s]}}\n")
    pods = [Where("n", uid=str(number)) for number in range(20)]

    def draws(order: list[Where]) -> dict[str, float]:
        run = stages.find("run", pods[0])
        return {pod.uid: run.lasts.draw(stages.random("run", pod)) for pod in order}

    assert draws(pods) == draws(pods[::-1])
    assert len(set(draws(pods).values())) == 20
    assert stages.seeded(Random(1)) is stages


def test_exits_by_weight() -> None:
    run = only("run: {for: 1s, exit: {0: 70, 3: 20, OOMKilled: 10}}")
    drawn = [run.exit.draw(Random(number)) for number in range(2000)]  # type: ignore[attr-defined]
    shares = {end: drawn.count(end) / 2000 for end in drawn}
    assert shares == pytest.approx(
        {Exit(0): 0.7, Exit(3): 0.2, Exit(137, "OOMKilled"): 0.1}, abs=0.04
    )


def test_probes_pass_and_fail_by_turns() -> None:
    probe = only("readiness: {after: 5s, up: 10s, down: 2s}", "readiness")
    passed = [probe.passes(Random(1), age) for age in range(30)]  # type: ignore[attr-defined]
    turns = [False] * 5 + [True] * 10 + [False] * 2 + [True] * 10 + [False] * 2 + [True]
    assert passed == turns
    never = only("liveness: {down: 1s}", "liveness")
    assert not never.passes(Random(1), 100.5)  # type: ignore[attr-defined]


def test_outages_happen_once_or_again_and_again() -> None:
    node = only(
        "node: {notReady: {after: 10s, for: 2s, every: 20s}, lost: {after: 1s, for: 1s}}", "node"
    )
    not_ready, lost = node.not_ready, node.lost  # type: ignore[attr-defined]
    assert [age for age in range(60) if not_ready.holds(Random(1), age)] == [10, 11, 30, 31, 50, 51]
    assert [age for age in range(60) if lost.holds(Random(1), age)] == [1]


def test_curves_are_straight_between_their_points() -> None:
    curve = Curve([(10, 100), (0, 0), (20, 100)])
    assert [curve.at(age) for age in (0, 5, 10, 15, 99)] == [0, 50, 100, 100, 100]
    assert [curve.sum(age) for age in (0, 5, 10, 15)] == [0, 125, 500, 1000]
    assert [curve.reaches(limit) for limit in (0, 50, 100, 101)] == [0, 5, 10, None]
    usage = only("usage: {cpu: {0s: 0, 10s: 1}, memory: 64Mi, every: 10s}", "usage")
    assert usage.at(25) == (11.25, 64 << 20)  # type: ignore[attr-defined]
