"""Trainings as commands: killed, resumed, refused, and spread over processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import draws, rows, run
from experiments import train as training

ROOT = Path(__file__).parent.parent
DIGITS = str(ROOT / "configs" / "dfm_digits.toml")
SMALL = [
    "settings.dense=[16]",
    "settings.hidden=[16]",
    "settings.width=2",
    "settings.depth=2",
    "train.batch=40",
]


def command(folder, *more):
    return [DIGITS, "--run", str(folder), *SMALL, "log_every=5", "save_every=10", *more]


def start(folder, *more, devices=1):
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.train", *command(folder, *more)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    _, told = process.communicate(timeout=180)
    print(told)
    return process.returncode


def logged(folder, name):
    return [row[name] for row in rows.read(folder / "metrics.jsonl")]


def same(a, b):
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool((np.asarray(x) == np.asarray(y)).all()), a, b)))


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert ended(start(whole, "train.steps=60")) == 0
    process = start(killed, "train.steps=60")
    until = time.monotonic() + 100
    while (
        not (killed / "checkpoints" / "10").exists() and process.poll() is None and time.monotonic() < until
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(logged(killed, "step")) < 12
    assert ended(start(killed, "train.steps=60")) == 0
    assert same(run.open(whole).state, run.open(killed).state)
    assert logged(whole, "loss") == logged(killed, "loss")
    assert logged(killed, "step") == list(range(5, 65, 5))
    pictures = [
        {path.name: path.read_bytes() for path in (f / "pictures").iterdir()} for f in (whole, killed)
    ]
    assert pictures[0] == pictures[1]


def test_a_finished_training_makes_no_further_step(tmp_path):
    for _ in range(2):
        training.main(command(tmp_path, "train.steps=10"))
    assert logged(tmp_path, "step") == [5, 10]
    opened = run.open(tmp_path)
    assert int(opened.state.step) == 10
    assert draws.of_model(opened, opened.model(), 3).shape == (3, 8, 8, 1)


def test_two_processes_of_four_devices_give_the_losses_of_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    training.main(command(one, "train.steps=10"))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    processes = [
        start(two, "train.steps=10", "--host", f"127.0.0.1:{port},2,{index}", devices=4) for index in (0, 1)
    ]
    assert [ended(process) for process in processes] == [0, 0]
    np.testing.assert_allclose(logged(one, "loss"), logged(two, "loss"), rtol=1e-5)
    assert int(run.open(two).state.step) == 10


def test_another_configuration_is_refused_with_what_differs(tmp_path):
    training.main(command(tmp_path, "train.steps=5"))
    with pytest.raises(
        SystemExit, match=r"was made with train.steps = 5, and this is 6; choose another folder"
    ):
        training.main(command(tmp_path, "train.steps=6"))
    with pytest.raises(SystemExit, match=r"was made with settings\.stride = 1, and this is 2; choose"):
        training.main(command(tmp_path, "train.steps=5", "settings.stride=2"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model=nonsense", "'nonsense' is not in models; choose one of"),
        ("settings.depht=3", "settings has an unknown key 'depht'"),
        ("data=nonsense", "there is no data set 'nonsense'"),
        ("log_every=7", "save_every is 10; choose a multiple of log_every, 7"),
        ("train.batch=12", "12 does not split over 8 devices"),
        ("train.batch=1600", "1500 examples for a batch of 1600"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path, override, said):
    with pytest.raises(SystemExit, match=said) as error:
        training.main(command(tmp_path, "train.steps=5", override))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "metrics.jsonl").exists() or logged(tmp_path, "step") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.toml"], "none.toml: No such file or directory"),
        (
            [DIGITS, "--host", "a:1"],
            "--host is 'a:1'; give ADDRESS:PORT,PROCESSES,INDEX",
        ),
        ([DIGITS, "--host", "a:1,2,x"], "--host is 'a:1,2,x'; give"),
    ],
)
def test_a_wrong_command_tells_what_to_give(capsys, arguments, said):
    with pytest.raises(SystemExit, match="2"):
        training.main(arguments)
    assert said in capsys.readouterr().err


def test_a_model_that_encodes_images_does_not_learn_latents(tmp_path):
    with pytest.raises(SystemExit, match="encodes images, not latents"):
        training.main(command(tmp_path, 'data=""', "latents_of=runs/other"))


def test_a_folder_where_nothing_was_trained_takes_another_configuration(tmp_path):
    with pytest.raises(SystemExit, match="1500 examples"):
        training.main(command(tmp_path, "train.steps=5", "train.batch=1600"))
    training.main(command(tmp_path, "train.steps=5"))
    assert run.open(tmp_path).config.train.batch == 40


def test_a_loss_that_is_not_finite_ends_the_training_and_keeps_what_is_there(tmp_path):
    with pytest.raises(SystemExit, match="the loss is not finite at step"):
        training.main(command(tmp_path, "train.steps=400", "train.learning_rate=1e30"))
    assert all(np.isfinite(logged(tmp_path, "loss")))


def test_a_folder_without_training_is_told(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"config.json is absent; make .* with python -m experiments.train"
    ):
        run.open(tmp_path)
