"""Selected on validation; where validation can't select, a candidate is reported without it."""

import json

import numpy as np
import pytest

from tests.analysis.synthetic_runs import (
    GAINS,
    findings_in,
    write_run,
    write_sweep,
    write_unfinished,
)


def test_the_candidate_is_selected_on_validation_and_reported_on_test(tmp_path):
    """The best on test is another one."""
    for start, validation_gain, gain in ((2, 0.05, 0.01), (4, 0.01, 0.09)):
        for seed in GAINS:
            write_run(
                tmp_path / "s" / f"{start} {seed}",
                start=start,
                seed=seed,
                gain=gain + 0.001 * seed,
                validation_gain=validation_gain,
            )
    findings = findings_in(tmp_path / "s")
    assert findings.selected_on_validation
    assert findings.selected["start"] == 2
    assert findings.oracle["start"] == 4
    assert findings.mechanism.mean == pytest.approx(0.011)
    assert "selected from 2 candidates by mean validation accuracy" in findings.reason


def test_test_accuracies_never_decide_the_selection(tmp_path):
    selected = set()
    for number in range(5):
        generator = np.random.default_rng(number)
        folder = tmp_path / str(number)
        for start in (1, 2, 3, 4):
            for seed in (0, 1):
                write_run(
                    folder / f"{start} {seed}",
                    start=start,
                    seed=seed,
                    gain=float(generator.normal(0, 0.05)),
                    validation_gain=0.01 * start + 0.002 * seed,
                )
        selected.add(findings_in(folder).selected["start"])
    assert len(selected) == 1


def test_without_validation_a_candidate_is_reported_not_selected(tmp_path):
    folders = []
    for name, best in (("a", 1), ("b", 5)):
        for start in (1, 3, 5):
            for seed in (0, 1):
                write_run(
                    tmp_path / name / f"{start} {seed}",
                    start=start,
                    seed=seed,
                    gain=0.01 * seed + (0.09 if start == best else 0.01),
                    validation=False,
                )
        folders.append(tmp_path / name)
    for folder in folders:
        findings = findings_in(folder)
        assert findings.exploratory
        assert findings.status == "reported, not selected"
        assert findings.selected["start"] == 3  # nearest to half of six epochs
        assert findings.selection_bias is None
        assert "without a validation split" in findings.reason


def test_a_single_candidate_needs_no_selection(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], validation=False, gain=GAINS.__getitem__)
    findings = findings_in(tmp_path / "s")
    assert findings.status == findings.reason == "the only candidate"
    assert not findings.selected_on_validation
    assert not findings.exploratory
    assert findings.verdict == "gain"


def test_a_candidate_with_a_failed_seed_is_not_selected(tmp_path):
    """The seed it lacks would select it."""
    for lr in (0.02, 0.03):
        write_sweep(tmp_path / "s", lrs=[lr], starts=[2], validation_gain=lr / 2)
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=[0, 1], validation_gain=0.09)
    write_unfinished(tmp_path / "s" / "f", reason="diverged", lr=0.05, seed=2)
    findings = findings_in(tmp_path / "s")
    assert findings.seeds == {0, 1, 2}
    assert findings.selected["learning_rate"] == 0.03
    assert "1 more lack a seed and could not be selected" in findings.reason


def test_more_seeds_for_one_candidate_do_not_decide_the_selection(tmp_path):
    """They count in its interval, not in the comparison."""
    for start, validation_gain in ((1, 0.01), (2, 0.09), (3, 0.02), (4, 0.03)):
        write_sweep(tmp_path / "s", lrs=[0.05], starts=[start], validation_gain=validation_gain)
    before = findings_in(tmp_path / "s")
    for seed in (3, 4):
        write_run(tmp_path / "s" / f"x{seed}", start=1, seed=seed, validation_gain=0.5)
        write_run(tmp_path / "s" / f"y{seed}", start=2, seed=seed, validation_gain=-0.5)
    findings = findings_in(tmp_path / "s")
    assert before.selected["start"] == findings.selected["start"] == 2
    assert findings.selected_on_validation
    assert findings.seeds == {0, 1, 2}
    assert findings.mechanism.n == 5


def test_two_candidates_without_a_seed_in_common_are_not_compared(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.02], starts=[2], seeds=[0, 1])
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=[2, 3])
    findings = findings_in(tmp_path / "s")
    assert not findings.selected_on_validation
    assert findings.selection_bias is None
    assert "reported, not selected: it alone has all seeds" in findings.reason


def test_a_failed_candidate_is_not_said_to_be_absent(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2])
    write_unfinished(tmp_path / "s" / "f", reason="diverged", lr=5.0)
    assert findings_in(tmp_path / "s").reason == "the only candidate with results"


def test_rounding_decides_no_tie(tmp_path):
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ as floats."""
    for scheme, gains, loss in (("a", (0.1, 0.2, 0.3), 0.9), ("b", (0.3, 0.2, 0.1), 0.1)):
        for seed, accuracy in enumerate(gains):
            run = write_run(tmp_path / "s" / f"{scheme}{seed}", seed=seed, scheme=scheme)
            summary = json.loads((run / "summary.json").read_text())
            summary["results"]["average"]["validation"] |= {"accuracy": accuracy, "loss": loss}
            (run / "summary.json").write_text(json.dumps(summary))
    assert findings_in(tmp_path / "s").selected["scheme"] == "b"


def test_of_equals_the_lower_validation_loss_is_selected(tmp_path):
    for scheme, loss in (("uniform", 0.6), ("power, gamma 2.0", 0.4)):
        run = write_run(tmp_path / "s" / scheme, scheme=scheme)
        path = run / "summary.json"
        text = path.read_text()
        assert text.count('"loss": 0.5') == 2
        path.write_text(text.replace('"loss": 0.5', f'"loss": {loss}'))
    assert findings_in(tmp_path / "s").selected["scheme"] == "power, gamma 2.0"


def test_the_selection_bias_in_numbers(tmp_path):
    """The selected candidate exceeds the mean of three by 0.03 on validation and by 0 on test."""
    for start, gain in ((1, 0.06), (2, 0.015), (3, 0.015)):
        write_run(tmp_path / "s" / str(start), start=start, gain=0.02, validation_gain=gain)
    findings = findings_in(tmp_path / "s")
    table = findings.candidates.set_index("start")
    assert findings.selection_bias["validation"] == pytest.approx(
        table.loc[findings.selected["start"], "validation"] - table["validation"].mean()
    )
    assert findings.selection_bias["test"] == pytest.approx(
        table.loc[findings.selected["start"], "test"] - table["test"].mean()
    )
    assert findings.selection_bias["oracle"] == pytest.approx(
        table["test"].max() - table["test"].mean()
    )
