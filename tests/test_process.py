"""The program as a process among others: signals, pipes, terminals."""

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dfm import image
from tests.conftest import FAKE_CODECS
from tests.test_cli import encode, listing

WAIT = "[time.sleep(0.1) for _ in range(1000)]"  # a signal just before a sleep is seen only after it
PROGRAM = (  # a shell starts what it puts into the background with SIGINT ignored
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "import sys; from dfm import cli, codecs\n"
    f"codecs.__path__.append({str(FAKE_CODECS)!r})\n"
    "sys.exit(cli.main(sys.argv[1:]))\n"
)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_the_process_and_leave_nothing_behind(folder, number, code):
    program = f"import os, time\nos.fsync = lambda _: (print('writing', flush=True), {WAIT})\n{PROGRAM}"
    command = [sys.executable, "-c", program, "encode", "in.png", "--codec", "stored"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
        assert process.communicate() == ("", "")
    assert process.returncode == code
    assert listing(folder) == ["in.png"]


BUSY = f"""
import time, jax
def encode(*_, **__):
    jax.jit(lambda a: jax.lax.fori_loop(0, 10**6, lambda _, b: b @ b, a))(jax.numpy.ones((300, 300)))
    print("computing", flush=True)
    {WAIT}
"""


def test_an_interrupt_while_xla_computes_ends_the_process_at_once(folder):
    program = BUSY + PROGRAM.replace("sys.exit", "import dfm.codecs.stored as s; s.encode = encode; sys.exit")
    command = [sys.executable, "-c", program, "encode", "in.png", "--codec", "stored"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "computing\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30) == ("", "")
        finally:
            process.kill()
    assert process.returncode == 130


def start(*args, **options):
    return subprocess.run([sys.executable, "-c", PROGRAM, *args], capture_output=True, **options)


def test_dashes_are_standard_input_and_output(folder, photo):
    coded = start("encode", "-", "--codec", "stored", input=Path("in.png").read_bytes())
    assert coded.returncode == 0
    assert coded.stderr.startswith(b"-: 20 x 12 pixels, RGB, ")
    decoded = start("decode", "-", input=coded.stdout)
    np.testing.assert_array_equal(image.read(io.BytesIO(decoded.stdout)), photo)
    assert decoded.stderr == b""
    assert start("info", "-", "--json", input=coded.stdout).returncode == 0
    assert listing(folder) == ["in.png"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_an_output_that_cannot_be_printed_gives_one_line(folder):
    encode("in.png")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, "info", "in.dfm"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (result.returncode, result.stderr) == (1, "dfm: No space left on device\n")


def test_a_reader_that_goes_away_is_no_failure_to_complain_of(folder):
    encode("in.png")
    readable, writable = os.pipe()
    os.close(readable)
    command = [sys.executable, "-c", PROGRAM, "info", "in.dfm"]
    result = subprocess.run(command, stdout=writable, stderr=subprocess.PIPE)
    os.close(writable)
    assert (result.returncode, result.stderr) == (1, b"")


def test_a_terminal_sees_progress(folder):
    main, side = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, "encode", "in.png", "--codec", "stored"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=side) as process:
        os.close(side)
        shown = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(main, 4096):
                shown += chunk
        assert process.stdout.read().startswith(b"in.dfm: ")
    os.close(main)
    assert b"storing" in shown


def test_a_pipe_sees_no_progress(folder):
    assert start("encode", "in.png", "--codec", "stored").stderr == b""
