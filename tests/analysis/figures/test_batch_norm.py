"""The last checkpoint with refreshed statistics is beside the last one, where there is one; and
windows with a stride end with the last epoch that they average."""

import pytest
from matplotlib.text import Text

from analysis.figures.accuracy_by_epoch import accuracy_by_epoch
from analysis.figures.calibration import calibration
from analysis.figures.ensemble import ensemble
from analysis.figures.gain_by_start import gain_by_start
from analysis.figures.schemes import schemes
from tests.analysis.synthetic_runs import GAINS, drop_refreshed, findings_in, write_run

FIGURES = (gain_by_start, accuracy_by_epoch, ensemble, schemes, calibration)
REFRESHED = "last, refreshed"


def write(folder, **options):
    """Two starts and two schemes, of which the uniform average of epochs 2..5 is selected."""
    for seed, gain in GAINS.items():
        for start, scheme in ((2, "uniform"), (4, "uniform"), (2, "power, gamma 2.0")):
            write_run(
                folder / f"{start} {scheme} {seed}",
                **{"start": start, "seed": seed, "scheme": scheme, "gain": gain},
                validation_gain=gain + 0.05 * (start == 2) + 0.05 * (scheme == "uniform"),
                predictions=True,
                **options,
            )
    return folder


def texts(figure):
    found = (text.get_text().replace("\n", " ") for text in figure.findobj(Text))
    return [text.removeprefix("over ") for text in found]


@pytest.mark.parametrize("figure_of", FIGURES, ids=lambda one: one.__name__)
def test_figures_show_it_where_all_runs_have_one(tmp_path, figure_of):
    folder = write(tmp_path / "a", refreshed=0.01)
    figure, _ = figure_of(findings_in(folder))
    assert REFRESHED in texts(figure)
    for seed in GAINS:
        drop_refreshed(folder / f"2 uniform {seed}")
    figure, _ = figure_of(findings_in(folder))
    assert REFRESHED not in texts(figure)
    figure, _ = figure_of(findings_in(write(tmp_path / "b")))
    assert REFRESHED not in texts(figure)


def test_what_figures_show_of_it_is_what_runs_have(tmp_path):
    findings = findings_in(write(tmp_path, refreshed=0.01))
    last = 100 * (findings.runs["last_test_accuracy"].mean() + 0.01)
    gain = 100 * findings.runs["average_test_accuracy"].mean() - last
    figure, caption = gain_by_start(findings)
    assert "the last checkpoint with refreshed statistics" in caption
    (panel,) = [axes for axes in figure.axes if axes.get_title() == f"over {REFRESHED}"]
    assert panel.get_lines()[1].get_ydata()[0] == pytest.approx(gain)
    figure, caption = accuracy_by_epoch(findings)
    (mark,) = [line for line in figure.axes[0].get_lines() if line.get_label() == REFRESHED]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (5, pytest.approx(last))
    assert "hollow" in caption
    figure, _ = calibration(findings)
    curves = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert curves == ["last checkpoint", REFRESHED, "average", "ensemble"]
    ticks = [text.get_text().replace("\n", " ") for text in figure.axes[1].get_xticklabels()]
    assert ticks == ["mean checkpoint", *curves]


def test_the_last_checkpoint_of_a_window_with_a_stride_is_its_last_epoch(tmp_path):
    run = write_run(tmp_path / "a", start=0, stride=2, running=True, predictions=True)
    (run / "predictions" / "test" / "epoch_005.safetensors").unlink()  # 0, 2, 4 are averaged
    findings = findings_in(tmp_path)
    figure, caption = calibration(findings)
    assert "average of epochs 0..4 (uniform, stride 2)" in caption
    assert "last checkpoint" in texts(figure)
    figure, caption = accuracy_by_epoch(findings)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(lines["average so far"].get_xdata()) == [0, 2, 4]
    (grey,) = figure.axes[0].patches
    assert (grey.get_x(), grey.get_width()) == (-0.5, 5)
    assert "epochs 0..4 (uniform, stride 2)" in caption
