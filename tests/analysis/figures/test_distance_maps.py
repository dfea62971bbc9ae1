"""Distances in the order of the epochs."""

from analysis.figures.distance_maps import distance_maps
from tests.analysis.synthetic_runs import findings_in, write_run


def test_distances_follow_the_epochs(tmp_path):
    """More than ten epochs, whose names don't sort as numbers do."""
    run = write_run(tmp_path / "s" / "a", training__epochs=12)
    pairs = [f"{a},{b},{a + b},0.9,0.1\n" for a in range(12) for b in range(a + 1, 12)]
    pairs += [f"{epoch},average,{epoch + 1},0.9,\n" for epoch in range(12)]
    text = "first,second,distance,cosine,displacement_cosine\n" + "".join(pairs)
    (run / "distances.csv").write_text(text)
    figure, _ = distance_maps(findings_in(tmp_path / "s"))
    lines = {line.get_label(): line for line in figure.axes[2].get_lines()}
    assert list(lines["to the average"].get_ydata()) == list(range(1, 13))
    step = lines["from the epoch before"]
    assert list(step.get_xdata()) == list(range(1, 12))
    assert list(step.get_ydata()) == [2 * epoch - 1 for epoch in range(1, 12)]
    distance = figure.axes[0].collections[0].get_array().reshape(12, 12)
    assert distance[3, 10] == distance[10, 3] == 13
