"""Each checkpoint, and the average as far as it was evaluated."""

from analysis.figures.accuracy_by_epoch import accuracy_by_epoch
from tests.analysis.synthetic_runs import EPOCHS, findings_in, write_sweep


def test_each_seed_and_the_growing_average_are_drawn(sweep):
    findings = findings_in(sweep)
    figure, caption = accuracy_by_epoch(findings)
    assert [axes.get_title() for axes in figure.axes] == [
        "learning rate 0.02",
        "learning rate 0.05",
    ]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    start = findings.selected["start"]
    assert lines["average so far"].get_xdata().tolist() == list(range(start, EPOCHS))
    assert "up to each epoch" in caption


def test_without_growing_averages_the_windows_average_is_a_line(tmp_path):
    write_sweep(tmp_path / "s", starts=[2])
    figure, caption = accuracy_by_epoch(findings_in(tmp_path / "s"))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(lines["average of the window"].get_xdata()) == [2, EPOCHS - 1]
    assert "average of the whole window" in caption


def test_an_average_that_grew_for_some_seeds_only_is_not_drawn(tmp_path):
    """Its seeds would differ between epochs."""
    sweep = write_sweep(tmp_path / "s", starts=[2], lrs=[0.05])
    run = sweep / "averaging.start=2,optimizer.lr=0.05,seed=0"
    rows = "".join(f"2,{end},{end - 2},test,0.5,0.9\n" for end in range(3, EPOCHS + 1))
    (run / "windows.csv").write_text("start,end,count,split,loss,accuracy\n" + rows)
    figure, _ = accuracy_by_epoch(findings_in(sweep))
    labels = {line.get_label() for line in figure.axes[0].get_lines()}
    assert "average so far" not in labels
    assert "average of the window" in labels
