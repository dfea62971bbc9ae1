"""The result in words, and what would mislead a reader."""

from analysis.report.cautions import cautions
from analysis.report.sentences import sentences
from tests.analysis.synthetic_runs import findings_in, write_run, write_sweep


def test_a_gain_over_poor_checkpoints_is_no_gain_over_the_last(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.001], starts=[0], gain=lambda seed: 0.05 + 0.001 * seed)
    findings = findings_in(tmp_path / "s")
    assert findings.verdict == "gain"
    assert findings.secondary["last"].mean < 0
    assert any("less accurate than the last checkpoint" in one for one in cautions(findings))


def test_a_selection_at_the_edge_of_the_sweep_is_noted(tmp_path):
    for start, gain in ((1, 0.1), (2, 0.3), (3, 0.2)):
        for lr in (0.02, 0.05):
            write_run(tmp_path / "s" / f"{start} {lr}", start=start, lr=lr, validation_gain=gain)
    text = " ".join(cautions(findings_in(tmp_path / "s")))
    assert "learning rate" in text
    assert "first epoch" not in text


def test_an_interval_narrower_than_one_image_is_noted(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], gain=lambda seed: 0.02 + 1e-5 * seed)
    findings = findings_in(tmp_path / "s")
    assert findings.verdict == "gain"
    assert any("narrower than one of the 1,000" in one for one in cautions(findings))


def test_one_seed_has_no_interval_and_no_minimum_detectable_effect(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=[0], predictions=True)
    findings = findings_in(tmp_path / "s")
    text = " ".join(sentences(findings))
    assert "(no interval, n = 1 seed)" in text
    assert "no minimum detectable effect" in text
    assert "McNemar's exact test" in text
