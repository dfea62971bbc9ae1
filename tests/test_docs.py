"""What the documents say works, and what they point to is there."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCHEMES = "Scheme = Uniform | Latest | Exponential | Power | Ramp | Explicit | Greedy\n"


def block(text: str, after: str) -> str:
    """The first code block after those words, without its indentation."""
    found = re.search(r"^( *)```\w+\n(.*?)^ *```", text[text.index(after) :], re.M | re.S)
    indent = len(found[1])
    return "".join(line[indent:] or "\n" for line in found[2].splitlines(keepends=True))


def test_the_recipes_for_a_model_and_a_scheme_work_as_written(tmp_path, arrays):
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    recipe = (ROOT / "docs" / "extending.md").read_text()
    polyak, conf = tmp_path / "src" / "polyak", tmp_path / "conf"
    (polyak / "models" / "linear.py").write_text(block(recipe, "`src/polyak/models/linear.py`"))
    (conf / "model" / "linear.yaml").write_text(block(recipe, "`conf/model/linear.yaml`"))
    (conf / "averaging" / "linear.yaml").write_text(block(recipe, "`conf/averaging/linear.yaml`"))
    schemes = polyak / "averaging" / "schemes.py"
    schemes.write_text(
        schemes.read_text() + "\n\n" + block(recipe, "`src/polyak/averaging/schemes.py`")
    )
    config = (polyak / "config" / "schema.py").read_text()
    model, scheme = recipe.index("## A model"), recipe.index("## An averaging scheme")
    for begin, group, before, name in (
        (model, "Config", "    model: SmallCNN\n", "SmallCNN"),
        (scheme, "Scheme", SCHEMES, "Uniform"),
    ):
        text = recipe[begin:]
        declared = block(text, "In `src/polyak/config/schema.py`")
        assert before in config
        config = config.replace(
            before, block(text, f"`{group}`, in place" if group == "Config" else "union `Scheme`")
        )
        place = f"@dataclass(config=strict, kw_only=True)\nclass {name}:"
        config = config.replace(place, f"{declared}\n\n{place}")
    (polyak / "config" / "schema.py").write_text(config)
    done = subprocess.run(
        [
            *(sys.executable, str(tmp_path / "src" / "train.py")),
            *("model=linear", "averaging=linear", "averaging.start=1", "training.epochs=3"),
            *("dataset=arrays", f"dataset.train={arrays}/train.npz"),
            *(f"dataset.test={arrays}/test.npz", "training.batch_size=32"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "average of epochs 1..2 (linear)" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
)
def test_links_lead_somewhere_and_nothing_is_left_open(name):
    path = ROOT / name
    text = path.read_text()
    assert "@@" not in text
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    for code in re.findall(r"`((?:src|conf|docs|tests|analysis)/[\w./]+)`", text):
        if "linear" not in code:
            assert (ROOT / code).exists(), code
