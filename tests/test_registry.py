import sys

import pytest

from dfm import registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "shelf"
    (folder / "second").mkdir(parents=True)
    for name in ("__init__", "first", "_private", "second/__init__"):
        (folder / f"{name}.py").write_text(f"NAME = {name!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("shelf")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shelf"]:
        del sys.modules[name]


def test_names_are_the_public_files_and_folders(package):
    assert registry.names(package) == ["first", "second"]


def test_a_folder_with_nothing_but_modules_is_no_name(package, tmp_path):
    (tmp_path / "shelf" / "third").mkdir()
    (tmp_path / "shelf" / "third" / "__init__.py").touch()
    assert registry.names(package) == ["first", "second"]


def test_get_imports_the_file_of_that_name(package):
    assert registry.get(package, "first").NAME == "first"
    assert registry.get(package, "second").NAME == "second/__init__"


@pytest.mark.parametrize("name", ["none", "_private", "", "first.x", "..first", "os", "second/__init__"])
def test_other_names_are_refused_with_the_choices(package, name):
    with pytest.raises(ValueError, match="is not in shelf; choose one of first, second"):
        registry.get(package, name)
