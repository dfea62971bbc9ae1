"""The average beside the ensemble."""

from analysis.figures.ensemble import ensemble
from tests.analysis.synthetic_runs import findings_in, write_sweep


def test_every_point_is_within_the_axis(tmp_path):
    """Windows from the first epoch on have a low mean checkpoint; an average may be the worst."""
    findings = findings_in(write_sweep(tmp_path, lrs=[0.05, 0.1], gain=-0.2))
    figure, caption = ensemble(findings)
    assert "Bands that leave the axis are cut off" in caption
    low, high = figure.axes[0].get_ylim()
    for axes in figure.axes:
        assert len(axes.lines) == 4
        for line in axes.lines:
            assert low < min(line.get_ydata()) <= max(line.get_ydata()) < high, line.get_label()
