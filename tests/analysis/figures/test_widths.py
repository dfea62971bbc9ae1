"""The figure of widths: curves over seeds, and the width that validation selects."""

import pytest

from analysis.figures.drawn import NotDrawnError
from analysis.figures.widths import widths
from tests.analysis.figures.conftest import write_widths
from tests.analysis.synthetic_runs import findings_in


def test_curves_are_means_over_seeds_and_validation_selects(sweep):
    write_widths(sweep)
    figure, caption = widths(findings_in(sweep))
    assert "n = 3" in caption
    assert "Ring: selected on validation." in caption
    validation, test = figure.axes
    assert validation.get_ylabel() == "validation accuracy (%)"
    curve = next(line for line in test.lines if line.get_label() == "mean of the last steps")
    assert list(curve.get_xdata()) == pytest.approx([1, 10, 50])
    assert list(curve.get_ydata()) == pytest.approx([80.2, 81.1, 81.1])
    ring = next(line for line in test.lines if line.get_markersize() == 9)
    assert ring.get_ydata() == pytest.approx([81.1])
    last = next(line for line in test.lines if line.get_label() == "last checkpoint")
    assert len(set(last.get_ydata())) == 1


def test_a_damaged_file_is_named_and_a_width_that_a_seed_lacks_is_left_out(sweep):
    write_widths(sweep)
    first = min(sweep.iterdir()) / "widths.csv"
    lines = first.read_text().splitlines(keepends=True)
    for path in sweep.glob("*seed=0/widths.csv"):
        path.write_text("".join(line for line in lines if ",0.5,test" not in line))
    figure, _ = widths(findings_in(sweep))
    curve = next(line for line in figure.axes[1].lines if "last steps" in line.get_label())
    assert len(curve.get_xdata()) == 2
    for path in sweep.glob("*/widths.csv"):
        path.write_text(lines[0] + "uniform,-1,0.5,test,0.5,0.8\n")
    with pytest.raises(NotDrawnError, match=r"widths\.csv: line 2 is damaged: steps = '-1'"):
        widths(findings_in(sweep))
