"""The map of windows."""

from analysis.figures.window_map import window_map
from tests.analysis.figures.conftest import write_windows
from tests.analysis.synthetic_runs import findings_in, write_sweep


def test_a_map_is_of_the_trajectories_that_have_the_most_windows(tmp_path):
    """Cells of fewer seeds are noisier, and would be taken for the best."""
    sweep = write_sweep(tmp_path / "s", lrs=[0.05], starts=[0])
    write_windows(sweep)
    for run in list(sweep.iterdir())[1:]:
        rows = (run / "windows.csv").read_text().replace("0.5,0.7", "0.5,0.9")
        kept = [row for row in rows.splitlines(keepends=True) if row[:4] != "5,6,"]
        (run / "windows.csv").write_text("".join(kept))
    figure, caption = window_map(findings_in(sweep))
    assert "n = 1 per cell" in caption
    assert "Not shown: 2 trajectories with fewer windows" in caption
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert "best on test (oracle): 5..5" in labels


def test_the_reported_window_is_marked_where_the_map_has_its_average(tmp_path):
    for scheme in ("uniform, batch norm averaged", "power, gamma 2.0, batch norm averaged"):
        sweep = write_sweep(tmp_path / scheme, lrs=[0.05], starts=[1], scheme=scheme)
        write_windows(sweep)
        figure, _ = window_map(findings_in(sweep))
        marks = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
        assert ("reported: 1..5" in marks) == scheme.startswith("uniform")


def test_a_map_of_all_trajectories_mentions_none_that_is_left_out(tmp_path):
    sweep = write_sweep(tmp_path / "s", lrs=[0.05], starts=[0])
    write_windows(sweep)
    _, caption = window_map(findings_in(sweep))
    assert "n = 3 per cell" in caption
    assert "Not shown" not in caption
