"""Figures show the numbers of the tables, say how many runs they are made from, and what isn't."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.image import imread

from analysis import __main__ as command
from analysis.compare.findings import answer_of
from analysis.compare.groups import facets
from analysis.figures.catalogue import FIGURES, draw
from analysis.figures.style import style
from analysis.figures.subject import NotDrawnError, Subject
from analysis.read.load import load
from analysis.read.window_table import windows
from tests.analysis.synthetic_runs import EPOCHS, write_run, write_sweep, write_unfinished

GAINS = {0: 0.021, 1: 0.034, 2: 0.026}


def subject_of(folder):
    facet = facets(load([folder]))[0]
    return Subject(facet, answer_of(facet), windows(facet.runs, facet.epochs)[0])


@pytest.fixture
def sweep(tmp_path):
    return write_sweep(tmp_path / "s", gain=GAINS.__getitem__, running=True, predictions=True)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(name, subject):
    with style():
        return FIGURES[name](subject)


def write_maps(sweep):
    rows = "".join(
        f"{start},{end},{end - start},{split},0.5,{0.7 + 0.01 * start + 0.001 * end}\n"
        for start in range(EPOCHS)
        for end in range(start + 1, EPOCHS + 1)
        for split in ("validation", "test")
    )
    for run in sweep.iterdir():
        (run / "windows.csv").write_text("start,end,count,split,loss,accuracy\n" + rows)


def write_distances(sweep):
    pairs = [
        f"{a},{b},{abs(a - b)},0.9,{0.1 * (a + b)}\n"
        for a in range(EPOCHS)
        for b in range(a + 1, EPOCHS)
    ]
    pairs += [f"{epoch},average,{epoch + 1},0.9,\n" for epoch in range(EPOCHS)]
    for run in sweep.iterdir():
        text = "first,second,distance,cosine,displacement_cosine\n" + "".join(pairs)
        (run / "distances.csv").write_text(text)


def test_every_figure_is_drawn_as_png_and_pdf_with_its_caption(sweep, tmp_path):
    write_maps(sweep)
    write_distances(sweep)
    for run in list(sweep.iterdir()):
        start, lr, seed = (part.split("=")[1] for part in run.name.split(","))
        write_run(
            sweep / f"{run.name},exponential",
            **{"start": int(start), "lr": float(lr), "seed": int(seed)},
            scheme="exponential, decay 0.8",
            gain=GAINS[int(seed)] - 0.01,
        )
    subject = subject_of(sweep)
    for name in FIGURES:
        found = draw(name, subject, tmp_path / "figures")
        assert imread(found.png).shape[1] > 900
        assert found.pdf.read_bytes().startswith(b"%PDF")
        assert "n = 3" in found.caption, found.caption


def test_the_same_numbers_give_the_same_bytes(sweep, tmp_path):
    subject = subject_of(sweep)
    once, again = (draw("heat_map", subject, tmp_path / name) for name in ("a", "b"))
    assert once.png.read_bytes() == again.png.read_bytes()
    assert once.pdf.read_bytes() == again.pdf.read_bytes()


def test_gain_by_start_has_a_line_for_each_learning_rate(sweep):
    subject = subject_of(sweep)
    figure, caption = drawn("gain_by_start", subject)
    over_mean, over_last, over_best = figure.axes
    lines = {line.get_label(): line for line in over_mean.get_lines() if len(line.get_xdata()) > 2}
    assert set(lines) == {"0.02", "0.05"}
    assert list(lines["0.05"].get_xdata()) == [0, 2, 4]
    assert lines["0.05"].get_ydata().tolist() == pytest.approx(
        [100 * np.mean(list(GAINS.values()))] * 3
    )
    runs = subject.facet.runs
    wanted = runs[runs["learning_rate"] == 0.02].groupby("start")["gain_over_last_test"].mean()
    line = next(one for one in over_last.get_lines() if one.get_label() == "0.02")
    assert line.get_ydata().tolist() == pytest.approx((100 * wanted).tolist())
    assert "best" in over_best.get_title()
    assert "95 % t interval" in caption


def test_the_reported_candidate_is_ringed(sweep):
    subject = subject_of(sweep)
    figure, caption = drawn("gain_by_start", subject)
    for axes, what in zip(figure.axes, ("window_mean", "last"), strict=False):
        (ring,) = [line for line in axes.get_lines() if line.get_fillstyle() == "none"]
        runs = subject.answer.runs(subject.facet)
        assert list(ring.get_xdata()) == [subject.answer.focus["start"]]
        assert ring.get_ydata()[0] == pytest.approx(100 * runs[f"gain_over_{what}_test"].mean())
    assert "Ring: chosen on validation" in caption


def test_cells_of_fewer_trainings_say_so(tmp_path):
    sweep = write_sweep(tmp_path / "s")
    (sweep / "averaging.start=4,optimizer.lr=0.05,seed=2" / "summary.json").unlink()
    figure, _ = drawn("heat_map", subject_of(sweep))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [text for text in texts if "n=" in text] == [texts[5]]
    assert texts[5].endswith("n=2")


def test_one_training_has_no_band_and_the_caption_says_so(tmp_path):
    write_sweep(tmp_path / "s", seeds=[0])
    _, caption = drawn("gain_by_start", subject_of(tmp_path / "s"))
    assert "n = 1" in caption
    assert "no interval" in caption
    assert "band" not in caption


def test_without_validation_there_is_no_gain_over_the_best_by_validation(tmp_path):
    write_sweep(tmp_path / "s", validation=False)
    figure, _ = drawn("gain_by_start", subject_of(tmp_path / "s"))
    assert len(figure.axes) == 2


def test_the_heat_map_has_the_means_and_leaves_failed_cells_empty(tmp_path):
    sweep = write_sweep(tmp_path / "s", gain=GAINS.__getitem__)
    for seed in GAINS:
        (sweep / f"averaging.start=4,optimizer.lr=0.05,seed={seed}" / "summary.json").unlink()
    subject = subject_of(sweep)
    figure, caption = drawn("heat_map", subject)
    mesh = figure.axes[1].collections[0].get_array().reshape(2, 3)
    assert mesh[0].tolist() == pytest.approx([2.7, 2.7, 2.7])
    assert np.ma.getmaskarray(mesh)[1].tolist() == [False, False, True]
    assert "empty: no finished run" in caption


def test_accuracy_by_epoch_has_each_training_and_the_growing_average(sweep):
    subject = subject_of(sweep)
    figure, caption = drawn("accuracy_by_epoch", subject)
    assert [axes.get_title() for axes in figure.axes] == [
        "learning rate 0.02",
        "learning rate 0.05",
    ]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    start = subject.answer.focus["start"]
    assert lines["average so far"].get_xdata().tolist() == list(range(start, EPOCHS))
    assert "up to each epoch" in caption


def test_without_growing_averages_the_windows_average_is_a_line(tmp_path):
    write_sweep(tmp_path / "s", starts=[2])
    figure, caption = drawn("accuracy_by_epoch", subject_of(tmp_path / "s"))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(lines["average of the window"].get_xdata()) == [2, EPOCHS - 1]
    assert "average of the whole window" in caption


def test_runs_of_other_windows_are_not_mixed_in(tmp_path):
    write_sweep(tmp_path / "s")
    for seed in (0, 1, 2):
        write_run(
            tmp_path / "s" / f"x{seed}", seed=seed, start=0, end=3, gain=0.9, validation_gain=0.0
        )
    figure, caption = drawn("gain_by_start", subject_of(tmp_path / "s"))
    assert figure.axes[0].get_ylim()[1] < 20
    assert "3 runs of other windows or schemes are not in it" in caption


def test_an_average_that_grew_in_some_trainings_only_is_no_line(tmp_path):
    """It would have other trainings at each epoch."""
    sweep = write_sweep(tmp_path / "s", starts=[2], lrs=[0.05])
    run = sweep / "averaging.start=2,optimizer.lr=0.05,seed=0"
    rows = "".join(f"2,{end},{end - 2},test,0.5,0.9\n" for end in range(3, EPOCHS + 1))
    (run / "windows.csv").write_text("start,end,count,split,loss,accuracy\n" + rows)
    figure, _ = drawn("accuracy_by_epoch", subject_of(sweep))
    labels = {line.get_label() for line in figure.axes[0].get_lines()}
    assert "average so far" not in labels
    assert "average of the window" in labels


def test_a_map_is_of_the_trainings_that_have_the_most_windows(tmp_path):
    """Cells of fewer trainings vary more, and would be taken for the best."""
    sweep = write_sweep(tmp_path / "s", lrs=[0.05], starts=[0])
    write_maps(sweep)
    for run in list(sweep.iterdir())[1:]:
        rows = (run / "windows.csv").read_text().replace("0.5,0.7", "0.5,0.9")
        kept = [row for row in rows.splitlines(keepends=True) if row[:4] != "5,6,"]
        (run / "windows.csv").write_text("".join(kept))
    figure, caption = drawn("windows", subject_of(sweep))
    assert "n = 1 a cell" in caption
    assert "2 trainings with fewer windows are not in it" in caption
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert "best on test, an oracle: 5..5" in labels


def test_the_heat_map_marks_the_cell_that_is_reported(tmp_path):
    """Also where other windows end later."""
    write_sweep(tmp_path / "s", starts=[1, 2], end=4, validation_gain=0.3, gain=0.01)
    write_sweep(tmp_path / "t", starts=[1, 2], gain=0.02)
    for run in (tmp_path / "t").iterdir():
        run.rename(tmp_path / "s" / f"late,{run.name}")
    subject = subject_of(tmp_path / "s")
    assert subject.answer.focus["end"] == 4
    assert subject.answer.oracle["end"] == EPOCHS
    figure, caption = drawn("heat_map", subject)
    focus = subject.answer.focus
    (frame,) = figure.axes[0].patches
    column = [1, 2].index(focus["start"])
    row = [0.02, 0.05].index(focus["learning_rate"])
    assert frame.get_xy() == (column, row)
    shown = figure.axes[0].collections[0].get_array().reshape(2, 2)[row, column]
    assert shown == pytest.approx(100 * focus["test"])
    assert "oracle" not in caption


def test_one_start_shows_its_interval(tmp_path):
    sweep = write_sweep(tmp_path / "s", starts=[2], gain=GAINS.__getitem__)
    figure, _ = drawn("gain_by_start", subject_of(sweep))
    assert len([one for one in figure.axes[0].collections if len(one.get_paths())]) >= 2
    low, high = figure.axes[0].get_xlim()
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks() if low <= tick <= high)


def test_many_learning_rates_have_their_legend_beside_the_panels(tmp_path):
    sweep = write_sweep(tmp_path / "s", lrs=[0.01 * n for n in range(1, 13)], seeds=[0], starts=[2])
    figure, _ = drawn("gain_by_start", subject_of(sweep))
    assert figure.axes[0].get_legend() is None
    assert len(figure.legends[0].get_texts()) == 12


def test_runs_that_lack_a_number_leave_out_the_figure_that_needs_it(tmp_path):
    sweep = write_sweep(tmp_path / "s", predictions=True)
    for path in sweep.glob("*/summary.json"):
        path.write_text(path.read_text().replace("calibration_error", "other"))
    with pytest.raises(NotDrawnError, match="calibration_error"):
        draw("calibration", subject_of(sweep), tmp_path)


def test_titles_say_how_many_runs_are_in_a_figure(tmp_path):
    sweep = write_sweep(tmp_path / "s")
    write_unfinished(sweep / "failed", reason="no")
    assert "18 runs of 6 trainings; 1 failed" in subject_of(sweep).facet.population


def test_signs_in_names_are_drawn_as_they_are(tmp_path):
    name = "a $x_1$ <b>&lt;"
    sweep = write_sweep(tmp_path / "s", dataset=name)
    found = draw("gain_by_start", subject_of(sweep), tmp_path)
    assert found.png.exists()


def test_distances_follow_the_epochs(tmp_path):
    """More than ten epochs, whose names don't sort as numbers do."""
    run = write_run(tmp_path / "s" / "a", training__epochs=12)
    pairs = [f"{a},{b},{a + b},0.9,0.1\n" for a in range(12) for b in range(a + 1, 12)]
    pairs += [f"{epoch},average,{epoch + 1},0.9,\n" for epoch in range(12)]
    text = "first,second,distance,cosine,displacement_cosine\n" + "".join(pairs)
    (run / "distances.csv").write_text(text)
    figure, _ = drawn("distances", subject_of(tmp_path / "s"))
    lines = {line.get_label(): line for line in figure.axes[2].get_lines()}
    assert list(lines["to the average"].get_ydata()) == list(range(1, 13))
    step = lines["from the epoch before"]
    assert list(step.get_xdata()) == list(range(1, 12))
    assert list(step.get_ydata()) == [2 * epoch - 1 for epoch in range(1, 12)]
    distance = figure.axes[0].collections[0].get_array().reshape(12, 12)
    assert distance[3, 10] == distance[10, 3] == 13


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("schemes", "one scheme only"),
        ("windows", "python src/windows.py"),
        ("distances", "python src/distances.py"),
        ("calibration", "predictions can be read"),
    ],
)
def test_what_can_not_be_drawn_says_what_would_help(tmp_path, name, reason):
    with pytest.raises(NotDrawnError, match=reason):
        drawn(name, subject_of(write_sweep(tmp_path / "s")))


def test_the_command_knows_every_figure():
    assert tuple(FIGURES) == command.FIGURES
