"""Predictions of runs are read, and corrupted ones named."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from analysis.read.directories import AnalysisError
from analysis.read.predictions import Predictions
from polyak.errors import PolyakError
from polyak.evaluation.scores import ensemble
from tests.analysis.synthetic_runs import write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "s" / "run", predictions=True)


def test_a_runs_predictions_are_read(run):
    found = Predictions(run, "test")
    right = found.correct(found.log_probabilities("average"))
    assert right.dtype == np.bool_
    assert right.mean() > found.correct(found.log_probabilities(5)).mean()
    members = [found.log_probabilities(epoch) for epoch in range(2, 6)]
    np.testing.assert_allclose(found.ensemble(range(2, 6), [1] * 4), ensemble(members, [1] * 4))


@pytest.mark.parametrize("corruption", ["gone", "cut", "other tensor", "other images"])
def test_corrupted_predictions_name_the_file(run, corruption):
    path = run / "predictions" / "test" / "average.safetensors"
    if corruption == "gone":
        path.unlink()
    elif corruption == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif corruption == "other tensor":
        path.write_bytes((path.parent / "labels.safetensors").read_bytes())
    else:
        save_file({"logits": np.zeros((3, 10), np.float32)}, path)
    with pytest.raises(AnalysisError, match="average"):
        Predictions(run, "test").log_probabilities("average")


NAN, INFINITE = np.full((200, 10), np.nan, np.float32), np.full((200, 10), np.inf, np.float32)
LOGITS = {
    "1-D": (np.zeros(200, np.float32), r"logits: shape is .*\(200,\)"),
    "float64": (np.zeros((200, 10)), "logits: dtype is 'F64': input should be 'F32'"),
    "float16": (np.zeros((200, 10), np.float16), "logits: dtype is 'F16'"),
    "no classes": (np.zeros((200, 0), np.float32), "logits: shape is 0: input should be greater"),
    "no images": (np.zeros((0, 10), np.float32), "logits: shape is 0"),
    "NaN": (NAN, "logits are not all finite"),
    "infinite": (INFINITE, "logits are not all finite"),
    "other images": (
        np.zeros((3, 10), np.float32),
        "are of 3 images, and labels.safetensors has 2",
    ),
    "few classes": (np.zeros((200, 3), np.float32), "labels are from 0 to 9, and average.safeten"),
}
LABELS = {
    "2-D": (np.zeros((200, 1), np.int64), "labels: shape is"),
    "floats": (np.zeros(200, np.float32), "labels: dtype is 'F32': input should be 'I64'"),
    "bytes": (np.zeros(200, np.uint8), "labels: dtype is 'U8'"),
    "none": (np.zeros(0, np.int64), "labels: shape is 0"),
    "beyond": (
        np.full(200, 10),
        "labels are from 10 to 10, and average.safetensors has 10 classes",
    ),
    "negative": (np.full(200, -1), "labels are from -1 to -1"),
    "fewer": (np.zeros(199, np.int64), "200 images, and labels.safetensors has 199"),
}
CASES = [("average", "logits", *case) for case in LOGITS.values()]
CASES += [("labels", "labels", *case) for case in LABELS.values()]


@pytest.mark.parametrize(("file", "name", "values", "message"), CASES, ids=[*LOGITS, *LABELS])
def test_predictions_that_do_not_fit_say_what_was_found(run, file, name, values, message):
    path = run / "predictions" / "test" / f"{file}.safetensors"
    save_file({name: values}, path)
    with pytest.raises(AnalysisError, match=rf"safetensors: .*{message}.*; run it again"):
        Predictions(run, "test").log_probabilities("average")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F4"])
def test_a_dtype_that_numpy_lacks_is_refused(run, dtype):
    path, size = run / "predictions" / "test" / "average.safetensors", {"BF16": 4, "F4": 1}
    end = size.get(dtype, 2)
    header = json.dumps({"logits": {"dtype": dtype, "shape": [1, 2], "data_offsets": [0, end]}})
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(end))
    with pytest.raises(AnalysisError, match=f"average.safetensors: logits: dtype is '{dtype}'"):
        Predictions(run, "test").log_probabilities("average")


def test_a_pipe_and_links_to_folders_are_refused(run, tmp_path):
    path = run / "predictions" / "test" / "average.safetensors"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(AnalysisError, match=r"average\.safetensors: is no file"):
        Predictions(run, "test").log_probabilities("average")
    path.unlink()
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PolyakError, match=r"test: is a link"):
        _ = Predictions(run, "test").labels
