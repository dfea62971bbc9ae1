"""The checkpoints of a recording, each evaluated once: what was given of it is kept there.

    kept = Kept(evaluation, manifest)
    kept.check()                        # evaluates the first epoch again, and compares
    kept.records()[3].scores["test"].accuracy

Logits are files as train.py's, so that a run links to them; of metrics there is a scores.jsonl.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from polyak.errors import EvaluationError, PolyakError, StoreError
from polyak.evaluation.evaluator import evaluating
from polyak.evaluation.scores import Scores, Told
from polyak.records import evaluations, reading, summed
from polyak.records.evaluations import Scored
from polyak.store import paths, scoring
from polyak.store.manifest import Manifest
from polyak.store.record import EpochRecord
from polyak.study.answers import Answers
from polyak.study.evaluation import Evaluation
from polyak.training.result import EpochResult
from polyak.weights import checkpoint

TOLERANCE = 1e-4
"""What the same function may give otherwise for the same weights: the last bits of logits depend on
the machine."""


class Kept:
    """Of the recording of a `manifest`, which its caller holds."""

    def __init__(self, evaluation: Evaluation, manifest: Manifest) -> None:
        self._evaluation, self._manifest = evaluation, manifest
        if not manifest.trained:
            raise StoreError(f"{manifest.directory}: has no epoch yet")

    def check(self) -> None:
        """Evaluate the first epoch, which says what there is; where its scores are kept, raise
        EvaluationError for others, and else keep them."""
        found = self._evaluate(0)
        before = self._read(0)
        if before is None:
            self._keep(0, found)
            return
        for split, scores in before.items():
            for name, value in scores.by_name.items():
                now = found.scores[split].by_name[name]
                if not math.isclose(now, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                    raise EvaluationError(
                        f"{self._evaluation.name} gives other scores than before for epoch 0: "
                        f"{split} {name} {value:.6g} -> {now:.6g}; allowed: the same for the same "
                        "weights, or a function of another name for other data"
                    )

    def records(self) -> list[EpochRecord]:
        """Of all epochs, in order."""
        return [
            EpochRecord(self._result(epoch), self.scores(epoch), stored=True)
            for epoch in range(self._manifest.trained)
        ]

    def scores(self, epoch: int) -> Mapping[str, Scores]:
        """Of an epoch's checkpoint, by split; evaluated where they are not kept."""
        found = self._read(epoch)
        if found is None:
            answers = self._evaluate(epoch)
            self._keep(epoch, answers)
            found = answers.scores
        return found

    def _evaluate(self, epoch: int) -> Answers:
        self._manifest.check_intact([epoch])
        path = paths.checkpoint(self._manifest.directory, epoch)
        with evaluating(f"epoch {epoch}"):
            return self._evaluation.logits(checkpoint.load(path).tensors, "epoch")

    def _read(self, epoch: int) -> dict[str, Scores] | None:
        manifest, keys = self._manifest, self._evaluation.keys
        if self._evaluation.first:
            files = {
                split: paths.logits(manifest.directory, key, epoch) for split, key in keys.items()
            }
            if not all(map(manifest.intact, files.values())):
                return None
            labels = self._evaluation.first.labels
            return {
                split: scoring.of_logits(path, manifest.sha256(path), labels[split])
                for split, path in files.items()
            }
        one = self._scored.get((epoch, manifest.weights(epoch)))
        wanted = {split: set(of.by_name) for split, of in self._evaluation.first.scores.items()}
        if one is None or {split: set(of) for split, of in one.scores.items()} != wanted:
            return None
        return {split: Told.of(metrics) for split, metrics in one.scores.items()}

    @property
    def _folder(self) -> Path:
        """Of metrics."""
        key = next(iter(self._evaluation.keys.values()))
        return paths.evaluation(self._manifest.directory, key)

    @cached_property
    def _scored(self) -> dict[tuple[int, str], Scored]:
        """What is kept of metrics, by epoch and weights: read once."""
        whole, found = self._folder / evaluations.WHOLE, list[Scored]()
        if self._manifest.intact(whole):
            with suppress(PolyakError):
                found = reading.json_of(whole, evaluations.Whole).epochs
        lines, self._size = summed.read(self._folder / evaluations.SCORES, Scored)
        return {(one.epoch, one.weights_sha256): one for one in [*found, *lines]}

    def _keep(self, epoch: int, found: Answers) -> None:
        manifest, keys = self._manifest, self._evaluation.keys
        if found:
            for split, logits in found.items():
                path = paths.logits(manifest.directory, keys[split], epoch)
                checkpoint.save(path, {"logits": logits}, {"epoch": epoch})
                manifest.record(path)
            manifest.append()
            return
        weights, scored = manifest.weights(epoch), self._scored
        scores = {split: one.by_name for split, one in found.scores.items()}
        one = Scored(epoch=epoch, weights_sha256=weights, scores=scores)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._size = summed.append(self._folder / evaluations.SCORES, [one], at=self._size)
        scored[epoch, weights] = one

    def _result(self, epoch: int) -> EpochResult:
        """What was said of an epoch's training: NaN where nothing was."""
        said = self._manifest.values["epochs"][epoch]
        train = said.get("metrics", {}).get("train", {})

        def number(name: str) -> float:
            own, told = said.get(name), train.get(name)
            return math.nan if own is None and told is None else float(told if own is None else own)

        numbers = {name: number(name) for name in ("lr", "loss", "accuracy")}
        return EpochResult(epoch, **numbers, seconds=said["seconds"])
