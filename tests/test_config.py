"""TOML into frozen dataclasses (dfm/config.py), and the configs of the project."""

import importlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from dfm import config

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.toml"))


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Outer:
    steps: int
    name: str = "a"
    sides: tuple[int, ...] = ()
    limit: float | None = None
    flag: bool = False
    inner: Inner = Inner()


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "c.toml"
        path.write_text(text)
        return path

    return write


def test_keys_become_fields_of_their_types(toml):
    loaded = config.load(Outer, toml('steps = 3\nname = "b"\nsides = [1, 2]\nlimit = 4\n[inner]\nrate = 1\n'))
    assert loaded == Outer(steps=3, name="b", sides=(1, 2), limit=4.0, inner=Inner(rate=1.0))
    assert isinstance(loaded.limit, float)
    assert isinstance(loaded.inner.rate, float)


def test_overrides_replace_keys_in_turn(toml):
    words = ["steps=4", "steps=5", "sides=[7]", "name=fast", "inner.rate=2.5", "flag=true"]
    loaded = config.load(Outer, toml("steps = 3\n"), words)
    assert loaded == Outer(steps=5, name="fast", sides=(7,), flag=True, inner=Inner(rate=2.5))


def test_what_is_given_makes_the_same_again_and_leaves_defaults_out():
    made = Outer(steps=3, sides=(1, 2), flag=True)
    assert config.given(made) == {"steps": 3, "sides": (1, 2), "flag": True}
    assert Outer(**config.given(made)) == made


def test_nested_tables_become_dotted_keys():
    assert config.flat({"a": 1, "b": {"c": [2], "d": {"e": 3}}}) == {"a": 1, "b.c": [2], "b.d.e": 3}


@pytest.mark.parametrize(
    ("text", "overrides", "told"),
    [
        ("steps = 3\nstep = 4\n", [], "unknown key 'step'"),
        ("steps = 3\n", ["inner.rat=1"], "unknown key 'rat'"),
        ("", [], "lacks the key 'steps'"),
        ("steps = 3.5\n", [], "steps is 3.5; give int"),
        ("steps = true\n", [], "steps is True; give int"),
        ('steps = 3\nsides = [1, "b"]\n', [], r"sides\[1\] is 'b'; give int"),
        ("steps = 3\ninner = 4\n", [], "inner is 4; give Inner"),
        ("steps = 3\n", ["limit=high"], "limit is 'high'; give float"),
        ("steps = 3\n", ["steps"], "write key=value"),
        ("steps = 3\n", ["steps.more=1"], "steps is no table"),
        ("steps =\n", [], "is no TOML"),
    ],
)
def test_a_wrong_config_is_told_in_one_line(toml, text, overrides, told):
    with pytest.raises(ValueError, match=told) as caught:
        config.load(Outer, toml(text), overrides)
    assert "\n" not in str(caught.value)


def test_the_command_line_ends_with_2_on_a_wrong_config(toml, capsys):
    assert config.command_line(Outer, "about", [str(toml("steps = 3\n")), "steps=4"]) == Outer(steps=4)
    for words in ([str(toml("steps = 3\n")), "stepz=4"], ["absent.toml"], []):
        with pytest.raises(SystemExit) as caught:
            config.command_line(Outer, "about", words)
        assert caught.value.code == 2
    assert "unknown key 'stepz'" in capsys.readouterr().err


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_says_its_command_and_loads_into_that_module(path):
    command = re.match(r"# (python -m experiments\S* configs/\S+)", path.read_text())
    assert command, f"{path.name} must begin with its command"
    _, _, module, name = shlex.split(command[1])
    assert Path(name).name == path.name
    config.load(importlib.import_module(module).Config, path)
