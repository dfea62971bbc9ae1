"""What the documents say works, and what they point to is there."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.page import page
from tests.small import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

FOLLOWED = """
import runpy
import sys
from pathlib import Path

from polyak.config import choices
from polyak.config.compose import configured

# What tests/config asks of the choices that were here is true of those that came, too.
for came in sys.argv.pop(1).split(","):
    path = Path(came)
    if path.parts[0] == "conf":
        configured([f"{path.parts[1]}={path.stem}", "dataset.validation=0.1"])
for group, name in {
    "model": "softmax_regression",
    "scheme": "spaced",
    "schedule": "warmup",
    "dataset": "csv_images",
}.items():
    assert name in choices.listed(group), choices.listed(group)

outputs = sys.argv.pop(1)
runpy.run_path(str(choices.ROOT / "src" / "train.py"), run_name="__main__")

from analysis.figures import catalogue

catalogue.FIGURES += ("loss_by_epoch",)
from analysis.__main__ import main

sys.exit(main(["figure", "loss_by_epoch", outputs]))
"""
"""Follows docs/extending.md where its blocks are written into their files."""


def blocks(text: str) -> dict[str, str]:
    """Each code block of Python or YAML, by the file that was named last before it."""
    found = {}
    for block in re.finditer(r"^```(?:python|yaml)\n(.*?)^```", text, re.M | re.S):
        named = re.findall(r"`((?:src|conf|analysis)/[\w/]+\.\w+)`", text[: block.start()])
        if named:
            found[named[-1]] = block[1]
    return found


def test_the_recipes_of_extending_work_as_written(tmp_path):
    for folder in ("src", "conf", "analysis"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    recipes = blocks((ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))
    assert len(recipes) == 10, list(recipes)
    for name, text in recipes.items():
        assert not (tmp_path / name).exists(), f"{name} is no new file"
        (tmp_path / name).write_text(text, encoding="utf-8")
    generator = np.random.default_rng(0)
    for split, count in (("train", 64), ("test", 32)):
        rows = generator.integers(0, 256, (count, 1 + 8 * 8))
        rows[:, 0] = np.arange(count) % 4
        np.savetxt(tmp_path / f"{split}.csv", rows, "%d", delimiter=",")
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-c",
                FOLLOWED,
                ",".join(recipes),
                "outputs",
                "paths.outputs=outputs",
            ),
            *("dataset=csv_images", "dataset.folder=.", "model=softmax_regression"),
            *("optimizer=rmsprop", "schedule=warmup", "averaging=spaced", "averaging.start=0"),
            *("training.epochs=3", "training.batch_size=32", "training.device=cpu"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(["src", "."])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "average of epochs 0..2 (spaced, every 2, 2 of 3)" in done.stdout + done.stderr
    assert "loss_by_epoch.png" in done.stdout


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere_and_nothing_is_left_open(path):
    text = path.read_text(encoding="utf-8")
    assert "@@" not in text
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", text):
        there = path.parent / target if target else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), anchor
    new = blocks(text)  # files that a reader is to write
    if path.name == "CHANGELOG.md":  # names what is gone
        return
    for code in re.findall(r"`((?:src|conf|docs|tests|analysis|benchmarks)/[\w./-]+)`", text):
        assert code in new or (ROOT / code).exists(), code


def anchors(text: str) -> list[str]:
    """Those of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_the_page_of_measurements_is_what_their_files_give():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert text.startswith(page(ROOT / "docs" / "performance") + "\n## Tried\n")
