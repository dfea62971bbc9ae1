"""Gains against the start epoch are those of the tables."""

import numpy as np
import pytest

from analysis.figures.gain_by_start import gain_by_start
from tests.analysis.synthetic_runs import GAINS, findings_in, write_run, write_sweep


def test_there_is_one_line_per_learning_rate(sweep):
    findings = findings_in(sweep)
    figure, caption = gain_by_start(findings)
    over_mean, over_last, over_best = figure.axes
    lines = {line.get_label(): line for line in over_mean.get_lines() if len(line.get_xdata()) > 2}
    assert set(lines) == {"0.02", "0.05"}
    assert list(lines["0.05"].get_xdata()) == [0, 2, 4]
    assert lines["0.05"].get_ydata().tolist() == pytest.approx(
        [100 * np.mean(list(GAINS.values()))] * 3
    )
    runs = findings.group.runs
    wanted = runs[runs["learning_rate"] == 0.02].groupby("start")["gain_over_last_test"].mean()
    line = next(one for one in over_last.get_lines() if one.get_label() == "0.02")
    assert line.get_ydata().tolist() == pytest.approx((100 * wanted).tolist())
    assert "best" in over_best.get_title()
    assert "95 % t interval" in caption


def test_the_selected_candidate_is_ringed(sweep):
    findings = findings_in(sweep)
    figure, caption = gain_by_start(findings)
    for axes, what in zip(figure.axes, ("window_mean", "last"), strict=False):
        (ring,) = [line for line in axes.get_lines() if line.get_fillstyle() == "none"]
        runs = findings.runs
        assert list(ring.get_xdata()) == [findings.selected["start"]]
        assert ring.get_ydata()[0] == pytest.approx(100 * runs[f"gain_over_{what}_test"].mean())
    assert "Ring: selected on validation" in caption


def test_one_seed_has_no_band(tmp_path):
    write_sweep(tmp_path / "s", seeds=[0])
    _, caption = gain_by_start(findings_in(tmp_path / "s"))
    assert "n = 1" in caption
    assert "no interval" in caption
    assert "band" not in caption


def test_without_validation_there_is_no_gain_over_the_best_by_validation(tmp_path):
    write_sweep(tmp_path / "s", validation=False)
    figure, _ = gain_by_start(findings_in(tmp_path / "s"))
    assert len(figure.axes) == 2


def test_runs_of_other_windows_are_not_mixed_in(tmp_path):
    write_sweep(tmp_path / "s")
    for seed in (0, 1, 2):
        write_run(
            tmp_path / "s" / f"x{seed}", seed=seed, start=0, end=3, gain=0.9, validation_gain=0.0
        )
    figure, caption = gain_by_start(findings_in(tmp_path / "s"))
    assert figure.axes[0].get_ylim()[1] < 20
    assert "not shown: 3 runs of other windows or schemes" in caption


def test_one_start_shows_its_interval(tmp_path):
    sweep = write_sweep(tmp_path / "s", starts=[2], gain=GAINS.__getitem__)
    figure, _ = gain_by_start(findings_in(sweep))
    assert len([one for one in figure.axes[0].collections if len(one.get_paths())]) >= 2
    low, high = figure.axes[0].get_xlim()
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks() if low <= tick <= high)


def test_many_learning_rates_have_their_legend_beside_the_panels(tmp_path):
    sweep = write_sweep(tmp_path / "s", lrs=[0.01 * n for n in range(1, 13)], seeds=[0], starts=[2])
    figure, _ = gain_by_start(findings_in(sweep))
    assert figure.axes[0].get_legend() is None
    assert len(figure.legends[0].get_texts()) == 12
