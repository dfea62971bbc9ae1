"""The findings of a group: the mechanism's comparison, its verdict, and all else in numbers."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.max_t import max_t
from tests.analysis.synthetic_runs import GAINS, findings_in, write_run, write_sweep


def test_the_mechanisms_comparison_is_a_paired_t_interval_over_seeds(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], gain=GAINS.__getitem__)
    findings = findings_in(tmp_path / "s")
    values = np.array(list(GAINS.values()))
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    assert findings.mechanism.n == 3
    assert findings.mechanism.low == pytest.approx(values.mean() - half)
    assert findings.mechanism.high == pytest.approx(values.mean() + half)
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
    assert findings.mechanism.low is findings.mechanism.high is None
    assert findings.p is findings.minimum_detectable_effect is None


def test_p_values_are_adjusted_for_all_candidates_over_the_same_seeds(tmp_path):
    """Two candidates of the same gains, all positive, in the six seeds that most have. A seventh
    seed, of one of them, would change its p; a third candidate lacks a seed."""
    seeds = range(6)
    options = {"lrs": [0.05], "gain": lambda seed: 0.02 + 0.001 * seed}
    write_sweep(tmp_path / "s", starts=[2, 4], seeds=seeds, **options)
    write_sweep(tmp_path / "t", starts=[3], seeds=[0, 1, 2, 3, 4], lrs=[0.05], gain=0.09)
    write_sweep(tmp_path / "a", starts=[2], seeds=[6], lrs=[0.05], gain=-0.5)
    table = findings_in(tmp_path).candidates.set_index("start")
    assert table["complete"].tolist() == [True, False, True]
    assert table.loc[[2, 4], "p_max_t"].tolist() == [0.03125, 0.03125]
    assert np.isnan(table.loc[3, "p_max_t"])
    assert table.loc[2, "n"] == 7


def test_p_values_are_those_of_max_t_in_the_order_of_the_candidates(tmp_path):
    gains = np.random.default_rng(0).normal(0.005, 0.02, (3, 7))
    for row, start in zip(gains, (0, 2, 4), strict=True):
        for seed in range(7):
            place = (3 * seed + start) % 7  # read in another order for every candidate
            options = {"start": start, "seed": seed, "gain": float(row[seed])}
            write_run(tmp_path / f"{start} {place}", **options)
    found = findings_in(tmp_path).candidates["p_max_t"]
    assert found.tolist() == pytest.approx(max_t(gains).p)
    assert found.nunique() == 3


def test_the_bootstrap_needs_ten_seeds(tmp_path):
    gains = np.random.default_rng(0).normal(0.02, 0.01, 10).tolist()
    write_sweep(tmp_path / "nine", lrs=[0.05], starts=[2], seeds=range(9), gain=gains.__getitem__)
    write_sweep(tmp_path / "ten", lrs=[0.05], starts=[2], seeds=range(10), gain=gains.__getitem__)
    assert findings_in(tmp_path / "nine").bootstrap is None
    low, high = findings_in(tmp_path / "ten").bootstrap
    assert low < np.mean(gains) < high
