"""The soak itself: a short one passes, and what it looks for is found."""

import random
import shutil
import subprocess
import sys

import pytest

from tests.soak import faults
from tests.soak.__main__ import main
from tests.soak.sweeps import Sweep, differences


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(900)
def test_a_short_soak_under_joblib_ends_bit_identical(tmp_path, capsys):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    directory = tmp_path / "soak"
    given = ("--rounds", "1", "--launchers", "joblib", "--seed", "32")
    code = main([*given, "--directory", str(directory)])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "round 0, joblib: bit-identical" in printed
    assert "no failures" in printed

    reference = Sweep(directory / "reference" / "outputs", directory / "arrays")
    harmed = Sweep(tmp_path / "harmed", directory / "arrays")

    def found() -> list[str]:
        return [one.partition(":")[0] for one in differences(harmed, reference)]

    shutil.copytree(reference.outputs, harmed.outputs)
    assert found() == []
    point = harmed.points[0]
    (harmed.directory / point / "summary.json").unlink()
    (harmed.directory / point / ".averaged.1.tmp.safetensors").touch()
    assert found() == [point, f"sweeps/soak/{point}/.averaged.1.tmp.safetensors"]
    shutil.rmtree(harmed.outputs)
    shutil.copytree(reference.outputs, harmed.outputs)
    faults.flip(harmed, random.Random(0))
    assert found()


def test_a_killed_process_takes_all_that_it_started_along():
    code = "import subprocess as s, sys; s.Popen(['sleep', '600']); s.run(['sleep', '600'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stdin=subprocess.DEVNULL
    )
    try:
        while len(faults.started(process.pid)) < 3:
            assert process.poll() is None
    finally:
        faults.end(process)
    assert process.returncode == -9
    assert faults.started(process.pid) == []


@pytest.mark.process
def test_a_full_disk_takes_no_byte_until_it_is_freed(tmp_path):
    with faults.small_disk(tmp_path / "disk", megabytes=1) as mounted:
        if not mounted:
            pytest.skip("this user can't mount a disk")
        path = tmp_path / "disk" / "file"
        path.touch()
        with faults.filled(tmp_path / "disk"), pytest.raises(OSError, match="No space left"):
            path.write_bytes(b"x")
        path.write_bytes(b"x")
