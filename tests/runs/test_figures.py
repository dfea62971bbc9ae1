"""Figures are checked by what is drawn in them; a person looks at them besides."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from polyak.evaluation.metric import Metric
from polyak.maps import window_report
from polyak.records.summary import Result
from polyak.records.windows import MetricRow, Row
from polyak.runs import figures
from polyak.runs.style import style, write


def results(**accuracies):
    scores = {"loss": 1.0, "calibration_error": 0.1}
    return {
        name: Result.model_validate({"test": scores | {"accuracy": accuracy}})
        for name, accuracy in accuracies.items()
    }


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved, kept open."""
    kept = []
    monkeypatch.setattr(figures, "write", lambda figure, path: kept.append(figure))
    monkeypatch.setattr(window_report, "write", lambda figure, path: kept.append(figure))
    return kept


def test_the_articles_figure(drawn, tmp_path):
    figures.accuracy(
        tmp_path / "a.png",
        title="data, model",
        window=range(10, 13),
        checkpoints=[0.80, 0.84, 0.82],
        results=results(average=0.86, window_mean=0.82, ensemble=0.87),
    )
    (axes,) = drawn[0].axes
    points, average, mean, ensemble = axes.lines
    assert points.get_xdata().tolist() == [10, 11, 12]
    assert points.get_ydata().tolist() == pytest.approx([80, 84, 82])
    assert (points.get_marker(), points.get_linestyle()) == ("o", "-")
    assert (average.get_linestyle(), mean.get_linestyle()) == ("--", "-.")
    assert average.get_ydata()[0] == pytest.approx(86)
    assert mean.get_ydata()[0] == pytest.approx(82)
    assert ensemble.get_ydata()[0] == pytest.approx(87)
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert any("86.00 %" in label for label in labels)
    assert any("82.00 %" in label for label in labels)
    assert "%" in axes.get_ylabel()
    assert axes.get_title() == "data, model"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [5, 100])
def test_samples_are_labelled(drawn, tmp_path, channels, count):
    images = np.random.default_rng(0).integers(0, 256, (count, channels, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 10
    figures.samples(tmp_path / "s.png", title="training images", images=images, labels=labels)
    (axes,) = drawn[0].axes
    shown = min(count, 72)
    assert len(axes.get_images()) == shown
    assert [text.get_text() for text in axes.texts] == [str(i % 10) for i in range(shown)]
    for image, text in zip(axes.get_images(), axes.texts, strict=True):
        left, right, bottom, _ = image.get_extent()
        assert left < text.get_position()[0] < right
        assert text.get_position()[1] < bottom


def test_titles_are_text_and_no_mathematics(tmp_path):
    title = r"cost $\frac$ of {it} 100 %"
    figures.accuracy(
        tmp_path / "a.png",
        title=title,
        window=[3],
        checkpoints=[0.5],
        results=results(average=0.6, window_mean=0.5, ensemble=0.7),
    )
    images = np.zeros((1, 3, 8, 8), dtype=np.uint8)
    figures.samples(tmp_path / "s.png", title=title, images=images, labels=np.zeros(1, np.int64))
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_files_are_written_whole(tmp_path):
    path = tmp_path / "figures" / "accuracy.png"
    figures.accuracy(
        path,
        title="t",
        window=[3],
        checkpoints=[0.5],
        results=results(average=0.6, window_mean=0.5, ensemble=0.7),
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [child.name for child in path.parent.iterdir()] == ["accuracy.png"]
    assert not plt.get_fignums()


def test_the_map_of_windows_marks_the_two_windows(drawn, tmp_path):
    rows = [
        Row(start, end, end - start, split, 0.5, 0.5 + 0.01 * (end - start))
        for split in ("validation", "test")
        for start in range(4)
        for end in range(start + 1, 5)
    ]
    window_report.draw(tmp_path / "w.png", title="data", rows=rows, configured=range(2, 4))
    maps, curves = drawn[0].axes[:2], drawn[0].axes[2:4]
    assert [axes.get_xlabel() for axes in maps] == ["last epoch of the window"] * 2
    for axes in maps:
        marks = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        assert marks == {
            "the run's own: 2..3": [[3.5, 2.5]],
            "selected on validation: 0..3": [[3.5, 0.5]],
        }
        (mesh,) = axes.collections
        shown = mesh.get_array().reshape(4, 4)
        assert shown[1, 3] == pytest.approx(53)  # the window of epochs 1..3
        assert np.ma.getmaskarray(shown)[3, 1]  # no window ends before it starts
    for axes in curves:
        average, single = axes.lines
        assert average.get_ydata().tolist() == pytest.approx([54, 53, 52, 51])
        assert single.get_ydata().tolist() == pytest.approx([51] * 4)


@pytest.mark.parametrize(
    ("higher", "extend", "which"), [(True, "min", "low"), (False, "max", "high")]
)
def test_a_map_says_which_windows_have_one_colour(drawn, tmp_path, higher, extend, which):
    """Those of the worst quarter, also of a metric that is better when it is lower."""
    metric = Metric("f1", higher=higher)
    windows = [(start, end) for start in range(6) for end in range(start + 1, 7)]
    rows = [
        MetricRow(*one, one[1] - one[0], "test", 1, 0.5, "f1", at) for at, one in enumerate(windows)
    ]
    window_report.draw(tmp_path / "w.png", title="", rows=rows, configured=None, metric=metric)
    (mesh,) = drawn[0].axes[0].collections
    values = mesh.get_array().compressed()
    clipped = values < mesh.norm.vmin if higher else values > mesh.norm.vmax
    assert 0 < clipped.mean() <= 0.25
    assert mesh.colorbar.extend == extend
    assert mesh.colorbar.ax.get_ylabel() == f"test f1\n{which}est quarter: one colour"


def test_a_point_beyond_the_axis_is_a_triangle_at_its_edge_and_no_curve_is_covered(drawn, tmp_path):
    rows = [
        Row(start, start + 1, 1, "test", 0.5, accuracy)
        for start, accuracy in enumerate([0.1, 0.2, 0.7, 0.8, 0.81, 0.82])
    ]
    window_report.draw(tmp_path / "w.png", title="", rows=rows, configured=None)
    axes = drawn[0].axes[1]
    _, single, beyond = axes.lines
    assert (beyond.get_marker(), beyond.get_color()) == ("v", single.get_color())
    low, _ = axes.get_ylim()
    assert beyond.get_xydata().tolist() == [[0, low], [1, low], [2, low]]
    assert "checkpoint beyond the axis" in [
        text.get_text() for text in axes.get_legend().get_texts()
    ]
    assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1


def test_checkpoints_that_are_not_what_is_averaged_are_named(drawn, tmp_path):
    figures.accuracy(
        tmp_path / "a.png",
        title="t",
        window=[3],
        checkpoints=[0.5],
        results=results(average=0.6, window_mean=0.5, ensemble=0.7),
        recorded=True,
    )
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == [
        "checkpoints of epochs' ends",
        "averaged weights: 60.00 %",
        "mean of the checkpoints of epochs' ends: 50.00 %",
        "ensemble of the checkpoints of epochs' ends: 70.00 %",
    ]


@pytest.mark.parametrize("layout", ["constrained", None])
def test_a_png_has_the_pixels_that_matplotlib_writes_and_the_figure_stays_as_it_is(
    tmp_path, layout
):
    def pixels(name):
        return np.asarray(Image.open(tmp_path / name).convert("RGB"))

    with style():
        figure = Figure(figsize=(3, 2), layout=layout)
        axes = figure.subplots()
        axes.plot([1, 30, 2], label="a line")
        axes.set(xlabel="across", ylabel="up", title="two\nlines")
        figure.legend(loc="outside lower center" if layout else "lower center")
        write(figure, tmp_path / "ours.png")
        write(figure, tmp_path / "after.pdf")
        write(figure, tmp_path / "again.png")
        figure.savefig(tmp_path / "matplotlib.png")
        figure.savefig(tmp_path / "alone.pdf", metadata={"CreationDate": None})
    assert (pixels("ours.png") == pixels("matplotlib.png")).all()
    assert (pixels("again.png") == pixels("matplotlib.png")).all()
    assert (tmp_path / "after.pdf").read_bytes() == (tmp_path / "alone.pdf").read_bytes()
    assert Image.open(tmp_path / "ours.png").info["dpi"] == pytest.approx((200, 200), abs=0.1)
