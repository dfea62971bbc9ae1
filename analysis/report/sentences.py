"""The result of a group in three sentences, made from the numbers.

sentences(findings)   # the mechanism's comparison; other baselines; power and selection
"""

from analysis.compare.baselines import BASELINES
from analysis.compare.findings import Findings
from analysis.units import amount, difference, interval, score
from analysis.wording import candidate, count, how_many, p_value


def headline(findings: Findings) -> str:
    """The verdict and the gains in the mechanism's comparison and over the last checkpoint."""
    verdict = findings.verdict.capitalize()
    if findings.exploratory:
        verdict = f"No candidate selected (exploratory: {findings.verdict})"
    if unfinished := findings.group.unfinished:
        verdict = f"Preliminary ({count(unfinished, 'run')} not finished). {verdict}"
    metric = findings.metric
    gain = amount(findings.mechanism.mean, metric)
    text = f"{verdict}: {gain} over {BASELINES[findings.baseline]}"
    if (last := findings.secondary.get(findings.last)) is None:
        return text
    but = "but " * findings.below_last
    return f"{text}, {but}{difference(last.mean, metric)} over {BASELINES[findings.last]}"


def sentences(findings: Findings) -> list[str]:
    """Three sentences."""
    return [_mechanism(findings), _secondary(findings), _certainty(findings)]


def _mechanism(findings: Findings) -> str:
    selected, mechanism, runs = findings.selected, findings.mechanism, findings.group.runs
    metric = findings.metric
    tested = [interval(mechanism, metric), f"n = {count(mechanism.n, 'seed')}", p_value(findings.p)]
    return (
        f"{'Exploratory: the' if findings.exploratory else 'The'} "
        f"{candidate(selected)} "
        f"reaches {score(selected['test'], metric)} on the "
        f"{how_many(runs['test_images'].iloc[0])} test images of {runs['dataset'].iloc[0]}, "
        f"{amount(mechanism.mean, metric)} over {BASELINES[findings.baseline]} "
        f"({', '.join(filter(None, tested))}); {findings.reason}."
    )


def _secondary(findings: Findings) -> str:
    metric = findings.metric
    text = "Exploratory: " + ", ".join(
        f"{amount(gain.mean, metric)} ({interval(gain, metric)}) over {BASELINES[what]}"
        for what, gain in findings.secondary.items()
    )
    if findings.mechanism.n == 1 and len(findings.image_tests):
        test = findings.image_tests.to_dict("records")[0]
        text += (
            f"; of {test['images']:,} test images, only the average is right on "
            f"{test['only_average']} and only {BASELINES[findings.last]} on "
            f"{test['only_last']} (McNemar's exact test, {p_value(test['p'])})"
        )
    return text + "."


def _certainty(findings: Findings) -> str:
    metric = findings.metric
    if findings.minimum_detectable_effect is None:
        text = "Without a spread between seeds there is no minimum detectable effect"
    else:
        text = (
            f"With n = {findings.mechanism.n} seeds of this spread, the minimum detectable effect "
            f"is {amount(findings.minimum_detectable_effect, metric, signed=False)} (80 % power)"
        )
    if bias := findings.selection_bias:
        oracle = (
            f" (the best by test, an oracle: {difference(bias['oracle'], metric)})"
            if bias["oracle"] > bias["test"]
            else ", where it is also the best"
        )
        text += (
            "; selection bias: the selected candidate exceeds the mean candidate by "
            f"{amount(bias['validation'], metric)} on validation and "
            f"{difference(bias['test'], metric)} on test{oracle}"
        )
    return text + "."
