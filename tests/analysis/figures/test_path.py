"""The line of every seed, and the plane of one."""

import pytest

from analysis.figures.drawn import NotDrawnError
from analysis.figures.path import path
from tests.analysis.figures.conftest import write_path
from tests.analysis.synthetic_runs import findings_in, write_sweep


@pytest.fixture
def runs(tmp_path):
    sweep = write_sweep(tmp_path / "s", lrs=[0.05], starts=[2])
    write_path(sweep)
    return sweep


def test_the_mean_is_over_the_seeds_at_the_points_that_all_have(runs):
    last = sorted(runs.iterdir())[-1] / "path.csv"
    rows = last.read_text().splitlines(keepends=True)
    last.write_text("".join(row for row in rows if not row.startswith("line,,3.0")))
    figure, caption = path(findings_in(runs))
    *seeds, mean = figure.axes[0].get_lines()
    assert len(seeds) == 3
    assert list(mean.get_xdata()) == [-1.5, -1, -0.5, 0, 0.5, 1]
    assert list(mean.get_ydata()) == pytest.approx([2.35, 1.1, 0.35, 0.1, 0.35, 1.1])
    assert "n = 3 seeds" in caption
    assert "of seed 0" in caption
    assert [text.get_text() for text in figure.axes[2].texts] == ["2", "4", "5"]
    assert [one.get_title() for one in figure.axes[:2]] == ["train loss (nats)", "test error (%)"]


def test_points_of_several_grids_are_drawn_together(runs):
    first = sorted(runs.iterdir())[0] / "path.csv"
    more = "".join(f"plane,,2.2,0.1,1.1,0.1,{split},0.5,0.9\n" for split in ("train", "test"))
    first.write_text(first.read_text() + more)
    figure, _ = path(findings_in(runs))
    assert figure.axes[2].collections


def test_a_run_without_a_plane_has_a_line(runs):
    for run in runs.iterdir():
        rows = (run / "path.csv").read_text().splitlines(keepends=True)
        (run / "path.csv").write_text("".join(row for row in rows if row[:5] != "plane"))
    figure, caption = path(findings_in(runs))
    assert len(figure.axes) == 2
    assert "plane" not in caption


def test_a_corrupted_file_is_named(runs):
    (sorted(runs.iterdir())[0] / "path.csv").write_text("nothing\n")
    with pytest.raises(NotDrawnError, match=r"path.csv: allowed: the columns"):
        path(findings_in(runs))
