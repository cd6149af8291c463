"""Files are replaced as a whole, or not at all."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from dfm import image


def test_write_bytes_replaces_all_of_a_file(tmp_path):
    path = tmp_path / "x"
    for data in (b"long data", b"short", b""):
        image.write_bytes(path, data)
        assert path.read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    for mode in (0o640, 0o604, 0o755):
        path.chmod(mode)
        image.write_bytes(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    image.write_bytes(tmp_path / "x", b"")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "x", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    image.write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [p.name for p in target.parent.iterdir()] == ["x"]


def test_devices_and_pipes_are_written_and_stay(tmp_path):
    image.write_bytes(os.devnull, b"data")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        image.write_bytes(tmp_path / "pipe", b"data")
        assert reader.stdout.read() == b"data"


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "pathlib.Path.chmod"])
@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), SystemExit(143)]
)
def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call, failure):
    def fail(*_):
        raise failure

    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(call, fail)
    with pytest.raises(type(failure)):
        image.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_file_system_error_names_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "none" / "x"
    with pytest.raises(FileNotFoundError) as error:
        image.write_bytes(path, b"new")
    assert error.value.filename == str(path)


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(
        os, "access", lambda path, mode: mode != os.W_OK
    )  # root may write whatever the mode says
    with pytest.raises(PermissionError):
        image.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"


def in_a_process(program, path):
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    program = (
        "import resource, sys; from dfm import image\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: image.write_bytes(sys.argv[1], bytes(100_000))\n"
        "except OSError as error: sys.exit(error.strerror)\n"
    )
    with in_a_process(program, path) as process:
        assert process.stderr.read().strip() == "File too large"
    assert process.returncode == 1
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_kill_in_mid_write_leaves_the_old_file_whole(tmp_path, call):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    program = (
        "import os, sys, time; from dfm import image\n"
        f"os.{call} = lambda *_: (print('writing', flush=True), time.sleep(100))\n"
        "image.write_bytes(sys.argv[1], bytes(100_000))\n"
    )
    with in_a_process(program, path) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
