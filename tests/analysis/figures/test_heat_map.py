"""Cells are means over seeds; the selected one is outlined."""

import numpy as np
import pytest

from analysis.figures.heat_map import heat_map
from tests.analysis.synthetic_runs import EPOCHS, GAINS, findings_in, write_sweep


def test_cells_of_fewer_seeds_say_so(tmp_path):
    sweep = write_sweep(tmp_path / "s")
    (sweep / "averaging.start=4,optimizer.lr=0.05,seed=2" / "summary.json").unlink()
    figure, _ = heat_map(findings_in(sweep))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [text for text in texts if "n=" in text] == [texts[5]]
    assert texts[5].endswith("n=2")


def test_cells_are_means_and_failed_ones_empty(tmp_path):
    sweep = write_sweep(tmp_path / "s", gain=GAINS.__getitem__)
    for seed in GAINS:
        (sweep / f"averaging.start=4,optimizer.lr=0.05,seed={seed}" / "summary.json").unlink()
    findings = findings_in(sweep)
    figure, caption = heat_map(findings)
    mesh = figure.axes[1].collections[0].get_array().reshape(2, 3)
    assert mesh[0].tolist() == pytest.approx([2.7, 2.7, 2.7])
    assert np.ma.getmaskarray(mesh)[1].tolist() == [False, False, True]
    assert "empty: no finished run" in caption


def test_the_selected_cell_is_outlined(tmp_path):
    """Also where other windows end later."""
    write_sweep(tmp_path / "s", starts=[1, 2], end=4, validation_gain=0.3, gain=0.01)
    write_sweep(tmp_path / "t", starts=[1, 2], gain=0.02)
    for run in (tmp_path / "t").iterdir():
        run.rename(tmp_path / "s" / f"late,{run.name}")
    findings = findings_in(tmp_path / "s")
    assert findings.selected["end"] == 4
    assert findings.oracle["end"] == EPOCHS
    figure, caption = heat_map(findings)
    selected = findings.selected
    (frame,) = figure.axes[0].patches
    column = [1, 2].index(selected["start"])
    row = [0.02, 0.05].index(selected["learning_rate"])
    assert frame.get_xy() == (column, row)
    shown = figure.axes[0].collections[0].get_array().reshape(2, 2)[row, column]
    assert shown == pytest.approx(100 * selected["test"])
    assert "oracle" not in caption
