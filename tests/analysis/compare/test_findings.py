"""The findings of a group: the primary comparison, its verdict, and everything else in numbers."""

import numpy as np
import pytest
from scipy import stats

from tests.analysis.synthetic_runs import GAINS, findings_in, write_sweep


def test_the_primary_comparison_is_a_paired_t_interval_over_seeds(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], gain=GAINS.__getitem__)
    findings = findings_in(tmp_path / "s")
    values = np.array(list(GAINS.values()))
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    assert findings.primary.n == 3
    assert findings.primary.low == pytest.approx(values.mean() - half)
    assert findings.primary.high == pytest.approx(values.mean() + half)
    assert findings.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert set(findings.secondary) == {"last", "best_by_validation", "ensemble"}


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.02, 0.03, 0.025), "gain"),
        ((-0.02, -0.03, -0.025), "loss"),
        ((0.02, -0.03, 0.01), "no gain detected"),
        ((0.02, 0.02, 0.02), "undecided"),
        ((0.02,), "undecided"),
    ],
)
def test_verdicts(tmp_path, gains, verdict):
    write_sweep(
        tmp_path / "s", lrs=[0.05], starts=[2], seeds=range(len(gains)), gain=gains.__getitem__
    )
    assert findings_in(tmp_path / "s").verdict == verdict


def test_a_window_of_one_checkpoint_averages_nothing(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[5], gain=0.0)
    assert findings_in(tmp_path / "s").verdict == "nothing averaged"


def test_one_seed_has_no_interval(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=[0])
    findings = findings_in(tmp_path / "s")
    assert findings.primary.low is findings.primary.high is None
    assert findings.p is findings.minimum_detectable_effect is None


def test_p_values_are_adjusted_for_all_candidates(tmp_path):
    write_sweep(tmp_path / "s", gain=GAINS.__getitem__)
    table = findings_in(tmp_path / "s").candidates
    assert len(table) == 6
    p = stats.ttest_1samp(list(GAINS.values()), 0).pvalue
    assert table["p"].tolist() == pytest.approx([p] * 6)
    assert table["p_holm"].tolist() == pytest.approx([6 * p] * 6)


def test_the_bootstrap_needs_ten_seeds(tmp_path):
    gains = np.random.default_rng(0).normal(0.02, 0.01, 10).tolist()
    write_sweep(tmp_path / "nine", lrs=[0.05], starts=[2], seeds=range(9), gain=gains.__getitem__)
    write_sweep(tmp_path / "ten", lrs=[0.05], starts=[2], seeds=range(10), gain=gains.__getitem__)
    assert findings_in(tmp_path / "nine").bootstrap is None
    low, high = findings_in(tmp_path / "ten").bootstrap
    assert low < np.mean(gains) < high
