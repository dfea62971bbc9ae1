"""Every figure is drawn, or says what it needs."""

import numpy as np
import pytest
from matplotlib.image import imread

from analysis.compare.fair import answer_of
from analysis.compare.groups import comparison_groups
from analysis.figures.answer import answer as answer_figure
from analysis.figures.catalogue import draw, of_group
from analysis.figures.drawn import NotDrawnError
from analysis.read.load import load
from tests.analysis.figures.conftest import (
    write_distances,
    write_path,
    write_widths,
    write_windows,
)
from tests.analysis.synthetic_runs import (
    GAINS,
    agree_with_predictions,
    findings_in,
    write_run,
    write_sweep,
)


def test_every_figure_is_drawn_as_png_and_pdf_with_its_caption(sweep, tmp_path):
    write_windows(sweep)
    write_distances(sweep)
    write_path(sweep)
    write_widths(sweep)
    for run in list(sweep.iterdir()):
        start, lr, seed = (part.split("=")[1] for part in run.name.split(","))
        write_run(
            sweep / f"{run.name},exponential",
            **{"start": int(start), "lr": float(lr), "seed": int(seed)},
            scheme="exponential, decay 0.8",
            gain=GAINS[int(seed)] - 0.01,
        )
    findings = findings_in(sweep)
    for name in of_group():
        found = draw(name, findings, tmp_path / "figures")
        assert imread(found.png).shape[1] > 900
        assert found.pdf.read_bytes().startswith(b"%PDF")
        assert "n = 3" in found.caption, found.caption


def test_the_same_numbers_give_the_same_bytes(sweep, tmp_path):
    findings = findings_in(sweep)
    first, second = (draw("heat_map", findings, tmp_path / name) for name in ("a", "b"))
    assert first.png.read_bytes() == second.png.read_bytes()
    assert first.pdf.read_bytes() == second.pdf.read_bytes()


def test_signs_in_names_are_drawn_literally(tmp_path):
    name = "a $x_1$ <b>&lt;"
    sweep = write_sweep(tmp_path / "s", dataset=name)
    found = draw("gain_by_start", findings_in(sweep), tmp_path)
    assert found.png.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("schemes", "needs several schemes"),
        ("window_map", "python -m polyak windows"),
        ("distance_maps", "python -m polyak distances"),
        ("path", "python -m polyak path"),
        ("widths", "python -m polyak widths"),
        ("calibration", "needs predictions"),
    ],
)
def test_a_figure_that_can_not_be_drawn_says_what_it_needs(tmp_path, name, reason):
    with pytest.raises(NotDrawnError, match=reason):
        draw(name, findings_in(write_sweep(tmp_path / "s")), tmp_path)


def test_the_answer_is_drawn_with_its_pairs_and_intervals(tmp_path):
    write_sweep(tmp_path, lrs=[0.05], starts=[2], gain=GAINS.__getitem__, predictions=True)
    for run in tmp_path.iterdir():
        agree_with_predictions(run)
    answer = answer_of(comparison_groups(load([tmp_path])))
    figure, caption = answer_figure(answer)
    left, right = figure.axes
    pairs = 100 * answer.pairs
    assert [list(line.get_ydata()) for line in left.lines[:3]] == [
        [pair["unaveraged"], pair["averaged"]] for _, pair in pairs.iterrows()
    ]
    drawn = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in right.lines]
    assert pairs["difference"].tolist() in drawn
    for found in (answer.conclusion.interval, answer.two_way):
        assert pytest.approx([100 * found.low, 100 * found.high]) in drawn
    assert "over seeds and images together" in caption
