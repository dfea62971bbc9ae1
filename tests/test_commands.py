"""What all commands share: help at once, exit codes, one message; and `average`, on small files."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch

from polyak.__main__ import COMMANDS, main
from polyak.averaging.mean import mean_of_files
from polyak.weights import checkpoint
from tests.runs.records import SUMMARY
from tests.small import ROOT

NAMES = [command.__name__ for command in COMMANDS]
POLYAK = (sys.executable, "-m", "polyak")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": ""}


@pytest.fixture
def paths(tmp_path):
    """Three checkpoints of one model."""
    generator = torch.Generator().manual_seed(0)
    found = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for path in found:
        checkpoint.save(path, {"w": torch.randn(3, 4, generator=generator)})
    return found


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_how_the_command_is_called(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"python -m polyak {name} " in capsys.readouterr().out


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {name}" in printed for name in NAMES)


HELP = """
import sys
from polyak.__main__ import main
for arguments in [["--help"], *([name, "--help"] for name in sys.argv[1:])]:
    try:
        main(arguments)
    except SystemExit as stopped:
        assert stopped.code == 0
slow = ("torch", "pandas", "matplotlib", "numpy", "hydra", "omegaconf", "pydantic", "tqdm")
print(*(name for name in slow if name in sys.modules), file=sys.stderr)
"""


def test_help_needs_none_of_the_slow_packages():
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", HELP, *NAMES], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert (done.returncode, done.stderr) == (0, "\n")
    assert time.perf_counter() - began < 5  # 0.1 s on an idle machine; torch alone takes 2


DISTANCES = """
import sys
from polyak.__main__ import main
code = main(["distances", sys.argv[1]])
print(*(name for name in ("matplotlib", "hydra", "pandas") if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def test_distances_need_no_figures_tables_or_configuration(tmp_path, paths):
    (tmp_path / "checkpoints").mkdir()
    for epoch, path in enumerate(paths[:2]):
        path.rename(tmp_path / "checkpoints" / f"epoch_{epoch:03d}.safetensors")
    paths[2].rename(tmp_path / "averaged.safetensors")
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    done = subprocess.run(
        [sys.executable, "-c", DISTANCES, str(tmp_path)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert (done.returncode, done.stderr) == (0, "\n")
    assert (tmp_path / "distances.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["distances"], "the following arguments are required: RUN"),
        (["distances", "run", "more"], "unrecognized arguments: more"),
        (["store", "remove", "--ye"], "unrecognized arguments: --ye"),
        (["store", "mend"], "invalid choice: 'mend'"),
        (["average", "out.safetensors", "a.pt", "--weights", "x"], "invalid float value: 'x'"),
        (["average", "out", "a", "--max-shard-size", "2TB"], "2TB: allowed: a number from 1"),
        (["average", "out", "a", "--workers", "0"], "0: allowed: 1 to 256"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["windows", "distances"])
def test_a_failure_is_one_message_and_exit_1(tmp_path, name, capsys):
    assert main([name, str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {tmp_path}: not a finished run, it has no summary.json\n"


def test_the_process_exits_as_main_returns(tmp_path):
    done = subprocess.run(
        [*POLYAK, "distances", str(tmp_path)], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}: not a finished run, it has no summary.json\n"


@pytest.mark.parametrize("arguments", [["--help"], ["store", "list", "--store", "{folder}"]])
def test_a_closed_pipe_is_no_traceback(tmp_path, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*POLYAK, *(one.format(folder=tmp_path) for one in arguments)],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_disk_behind_the_output_is_one_message():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*POLYAK, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
    assert done.returncode == 1
    assert done.stderr == "error: [Errno 28] No space left on device\n"


def test_an_interruption_is_exit_130(tmp_path, paths, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("polyak.averaging.stream.average_files", interrupt)
    assert main(["average", str(tmp_path / "out.safetensors"), *map(str, paths)]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "scheme", "weights"),
    [
        ([], "uniform", [1, 1, 1]),
        (["--scheme", "latest", "--set", "k=2"], "latest", [0, 1, 1]),
        (["--scheme", "exponential", "--set", "decay=0.5"], "exponential", [0.25, 0.5, 1]),
        (["--scheme", "ramp", "--set", "decay=linear"], "ramp", [1, 1, 1]),
        (["--weights", "0.25", "0.75", "0"], "explicit", [0.25, 0.75, 0]),
    ],
)
def test_average_is_the_schemes_mean(tmp_path, paths, arguments, scheme, weights, capsys):
    out = tmp_path / "out.safetensors"
    assert main(["average", str(out), *map(str, paths), *arguments]) == 0
    found = checkpoint.load(out)
    assert torch.equal(found.tensors["w"], mean_of_files(paths, weights).tensors["w"])
    assert found.metadata["scheme"] == scheme
    *lines, last = capsys.readouterr().out.splitlines()
    shares = [f"{weight / sum(weights):.4f}" for weight in weights]
    assert [line.split() for line in lines] == [
        [share, str(path)] for share, path in zip(shares, paths, strict=True)
    ]
    assert last == str(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "0.5", "0.6", "0"], "they sum to 1.1; allowed: weights that sum to 1"),
        (
            ["--weights", "1.5", "-0.5", "0"],
            "--weights values.1 = -0.5: input should be greater than or equal to 0",
        ),
        (["--weights", "1"], "1 weights; allowed: 3, one per checkpoint"),
        (["--weights", "1", "0", "0", "--scheme", "ramp"], "leave --scheme and --set out"),
        (["--scheme", "exponential"], "--scheme exponential --set decay: this key is missing"),
        (
            ["--scheme", "exponential", "--set", "decay=big"],
            "--set decay = 'big': input should be a valid number",
        ),
        (["--scheme", "latest", "--set", "decay=1"], "--set decay = 1: there is no such key"),
        (
            ["--scheme", "latest", "--set", "k=0"],
            "--set k = 0: input should be greater than or equal to 1",
        ),
        (["--scheme", "greedy"], "greedy needs a validation split"),
        (["--scheme", "ramp", "--set", "decay=0.3"], "allowed: 'linear' or 'one_minus_sqrt'"),
        (
            ["--scheme", "median"],
            "--scheme median: allowed: ema, explicit, exponential, greedy, latest",
        ),
    ],
)
def test_average_refuses_what_makes_no_average(tmp_path, paths, arguments, message, capsys):
    out = tmp_path / "out.safetensors"
    assert main(["average", str(out), *map(str, paths), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_average_writes_a_directory_of_shards(tmp_path, paths, capsys):
    out = tmp_path / "out"
    arguments = ["average", str(out), *map(str, paths), "--max-shard-size"]
    assert main([*arguments, "1KB"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert (out / "model.safetensors").exists()
    arguments[1] += ".safetensors"
    assert main([*arguments, "1KB"]) == 1
    assert "out.safetensors: allowed: a directory's name" in capsys.readouterr().err


def test_average_writes_safetensors_alone(tmp_path, paths, capsys):
    assert main(["average", str(tmp_path / "out.pt"), *map(str, paths)]) == 1
    assert "out.pt: allowed: a name that ends in .safetensors" in capsys.readouterr().err
