"""Files are whole or absent, also after an exception, a kill, and on a disk without links."""

import errno
import json
import os
import signal

import pytest

from polyak import files


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture(params=[None, "old"], ids=["absent", "present"])
def target(request, tmp_path):
    """A path that holds "old" or nothing; `untouched` says whether it still does."""
    path = tmp_path / "value.txt"
    if request.param:
        path.write_text(request.param)
    return path, lambda: (path.read_text() if path.exists() else None) == request.param


def test_atomic_replaces_the_file_and_leaves_nothing_else(target):
    path, _ = target
    with files.atomic(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert names(path.parent) == ["value.txt"]


def test_atomic_shows_nothing_before_the_end(target):
    path, untouched = target
    with files.atomic(path) as temporary:
        temporary.write_text("new")
        assert untouched()


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_no_temporary(target, exception):
    path, untouched = target

    def interrupted():
        with files.atomic(path) as temporary:
            temporary.write_text("half")
            raise exception

    with pytest.raises(exception):
        interrupted()
    assert untouched()
    assert names(path.parent) in ([], ["value.txt"])


def test_writing_nothing_is_an_error_and_leaves_the_old_file(target):
    path, untouched = target
    with pytest.raises(FileNotFoundError), files.atomic(path):
        pass
    assert untouched()


def test_a_failed_rename_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "folder.txt"
    path.mkdir()
    with pytest.raises(OSError, match=r"folder\.txt"), files.atomic(path) as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["folder.txt"]


def test_a_killed_process_leaves_nothing_under_the_final_name(target, processes):
    path, untouched = target
    script = (
        "import sys, time; from pathlib import Path; from polyak import files\n"
        "with files.atomic(Path(sys.argv[1]), read_only=True) as temporary:\n"
        "    temporary.write_text('half'); print('written', flush=True); time.sleep(60)\n"
    )
    process = processes.python(script, path)
    try:
        assert process.stdout.readline() == "written\n"
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert untouched()
    assert all(name == path.name or name.startswith(".") for name in names(path.parent))
    with files.atomic(path) as temporary:  # and the next one is not in its way
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_what_a_killed_process_of_the_same_id_left_is_never_written_through(tmp_path):
    """In a container the same program often gets the same process id again."""
    stored, path = tmp_path / "stored.txt", tmp_path / "run" / "linked.txt"
    stored.write_text("stored")
    with files.atomic(path) as temporary:
        temporary.write_text("")
    os.link(stored, temporary)  # killed between link and rename
    with files.atomic(path) as again:
        assert again == temporary
        again.write_text("new")
    assert stored.read_text() == "stored"
    assert path.read_text() == "new"

    os.link(stored, temporary)
    files.link(stored, path)
    assert path.samefile(stored)
    assert names(path.parent) == ["linked.txt"]


def test_the_temporary_name_is_a_dot_file_beside_it_with_its_suffix(tmp_path):
    path = tmp_path / "new" / "folder" / "figure.png"
    with files.atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"")
    assert path.exists()


def test_it_is_flushed_to_disk_before_it_is_renamed(target, monkeypatch):
    path, untouched = target
    flushed = []

    def fsync(descriptor):
        inode = os.fstat(descriptor).st_ino
        assert inode == path.parent.stat().st_ino or untouched()  # its folder comes after it
        flushed.append(inode)

    monkeypatch.setattr(os, "fsync", fsync)
    with files.atomic(path) as temporary:
        temporary.write_text("new")
    assert flushed == [path.stat().st_ino, path.parent.stat().st_ino]


def test_names_can_be_flushed_later_and_each_folder_once(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda found: flushed.append(os.fstat(found).st_ino))
    ours, others = tmp_path / "ours", tmp_path / "others"
    written = [ours / "a", ours / "below" / "b", ours / "c"]
    with files.names_later(ours):
        for path in written:
            files.write_json(path, 1)
        assert flushed == [path.stat().st_ino for path in written]
        files.write_json(others / "d", 1)  # elsewhere at once
        assert flushed[3:] == [(others / "d").stat().st_ino, others.stat().st_ino]
        files.flush_folders(ours)
        assert flushed[5:] == [ours.stat().st_ino, (ours / "below").stat().st_ino]
        with files.names_later(None):
            files.write_json(ours / "last", 1)
    assert flushed[7:] == [(ours / "last").stat().st_ino, ours.stat().st_ino]


def mode(path):
    return path.stat().st_mode & 0o777


def test_read_only_is_0444_and_can_be_replaced(tmp_path):
    path = tmp_path / "value.txt"
    for text in ("first", "second"):
        with files.atomic(path, read_only=True) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
        assert mode(path) == 0o444


def test_other_files_keep_the_mode_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_json(tmp_path / "value.json", 1)
    finally:
        os.umask(before)
    assert mode(tmp_path / "value.json") == 0o640


def test_json_is_read_back_and_ends_with_a_line_break(tmp_path):
    value = {"accuracy": 0.1 + 0.2, "name": "Straße", "none": None, "list": [1, 2]}
    files.write_json(tmp_path / "value.json", value)
    text = (tmp_path / "value.json").read_text()
    assert json.loads(text) == value
    assert text.endswith("}\n")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_is_not_finite_and_leaves_the_old_file(target, bad):
    path, untouched = target
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"loss": [1.0, bad]})
    assert untouched()
    assert names(path.parent) in ([], ["value.txt"])


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "store" / "source.txt"
    with files.atomic(path, read_only=True) as temporary:
        temporary.write_text("stored")
    return path


@pytest.fixture
def no_links(monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)


def test_link_is_a_hard_link(source, target):
    path, _ = target
    files.link(source, path)
    assert path.samefile(source)
    assert names(path.parent) == ["store", "value.txt"]


def test_linking_again_changes_nothing_and_leaves_no_temporary(source, tmp_path):
    path = tmp_path / "run" / "value.txt"
    files.link(source, path)
    files.link(source, path)
    assert path.samefile(source)
    assert names(path.parent) == ["value.txt"]


@pytest.mark.usefixtures("no_links")
def test_link_copies_where_links_cannot_be_made(source, target):
    path, _ = target
    files.link(source, path)
    assert path.read_text() == "stored"
    assert not path.samefile(source)
    assert mode(path) == 0o444
    assert names(path.parent) == ["store", "value.txt"]


def test_link_to_a_missing_file_is_an_error_and_leaves_the_old_file(tmp_path, target):
    path, untouched = target
    with pytest.raises(FileNotFoundError, match="missing"):
        files.link(tmp_path / "missing.txt", path)
    assert untouched()
    assert names(path.parent) in ([], ["value.txt"])
