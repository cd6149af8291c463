"""Read a frozen dataclass from a TOML file and overrides of its keys."""

import argparse
import dataclasses
import os
import tomllib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def command_line(kind: type[T], about: str | None, arguments: Sequence[str] | None = None) -> T:
    """Read the command line `CONFIG.toml [key=value ...]`, and end the program with code 2 where it is wrong.

    Args:
        kind: a dataclass.
        about: what `--help` says, such as a module's docstring.
        arguments: in place of those of the process.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a TOML file of configs/")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="replaces a key of the file")
    given = parser.parse_intermixed_args(arguments)
    try:
        return load(kind, given.config, given.overrides)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def load(kind: type[T], path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> T:
    """Make the dataclass `kind` of a TOML file and overrides `key=value` or `table.key=value`.

    A value is read as TOML where it is that, else as a string: `steps=100`, `sides=[1, 2]`, `preset=fast`.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no TOML; a key is unknown, missing or of another type; an override lacks "=".
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        try:
            table = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{name} is no TOML: {error}") from None
    override(table, overrides)
    return make(kind, table, name)


def make(kind: type[T], table: dict[str, Any], name: str) -> T:
    """Make the dataclass `kind` of a table that errors call `name`.

    Raises:
        ValueError: a key is unknown, missing or of another type.
    """
    types_of = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
    unknown = [key for key in table if key not in known]
    if unknown:
        raise ValueError(f"{name} has an unknown key {unknown[0]!r}; choose among {', '.join(known)}")
    values = {key: _typed(types_of[key], value, f"{name}: {key}") for key, value in table.items()}
    needed = (f.name for f in known.values() if f.default is f.default_factory is dataclasses.MISSING)
    missing = [key for key in needed if key not in values]
    if missing:
        raise ValueError(f"{name} lacks the key {missing[0]!r}; add it")
    return kind(**values)


def override(table: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Set keys of `table` by overrides `key=value` or `table.key=value`, and give it back.

    Raises:
        ValueError: an override lacks "=", or its key goes through what is no table.
    """
    for text in overrides:
        _override(table, text)
    return table


def given(config: Any) -> dict[str, Any]:
    """Give the values of a dataclass that are not its defaults: what tells one from another."""
    fields = dataclasses.fields(config)
    return {f.name: getattr(config, f.name) for f in fields if getattr(config, f.name) != f.default}


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give the values of nested tables by their keys, `table.key`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def _override(table: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is no override; write key=value")
    *tables, last = key.split(".")
    for step in tables:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            raise ValueError(f"{key!r} is no key: {step} is no table")
    try:
        table[last] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = value


def _typed(kind: Any, value: Any, name: str) -> Any:
    """Check `value` against a type hint; a list becomes a tuple, an integer a float, a table a dataclass."""
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return make(typing.cast("type[Any]", kind), value, name)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = (option for option in typing.get_args(kind) if option is not types.NoneType)
        return _typed(kind, value, name)
    if typing.get_origin(kind) is typing.Literal:
        if value in typing.get_args(kind):
            return value
        raise ValueError(f"{name} is {value!r}; choose {', '.join(typing.get_args(kind))}")
    if typing.get_origin(kind) is dict and isinstance(value, dict):
        return value
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        (item, _) = typing.get_args(kind)
        return tuple(_typed(item, v, f"{name}[{i}]") for i, v in enumerate(value))
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ValueError(f"{name} is {value!r}; give {getattr(kind, '__name__', kind)}")
