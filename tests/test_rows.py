"""The JSON lines of experiments/rows.py."""

import json

import pytest

from experiments import rows


def test_rows_are_read_as_they_were_appended(tmp_path):
    written = [{"image": "kodim04", "psnr_db": 24.5}, {"image": "µ", "settings": {"seed": 0}, "ssim": None}]
    for row in written:
        rows.append(tmp_path / "new" / "a.jsonl", row)
    assert rows.read(tmp_path / "new" / "a.jsonl") == written


def test_a_file_that_is_absent_has_no_rows(tmp_path):
    assert rows.read(tmp_path / "absent.jsonl") == []


def test_what_json_cannot_hold_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.jsonl"
    rows.append(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        rows.append(path, {"a": float("nan")})
    assert rows.read(path) == [{"a": 1}]


def test_after_a_crash_the_whole_rows_remain_and_more_can_follow(tmp_path):
    path = tmp_path / "a.jsonl"
    rows.append(path, {"a": 1})
    with open(path, "a") as file:
        file.write('{"a": 2, "b"')
    assert rows.read(path) == [{"a": 1}]
    rows.append(path, {"a": 3})
    assert rows.read(path) == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize("line", ["no json", "[1, 2]", ""])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n' + line + '\n{"a": 2}\n')
    with pytest.raises(ValueError, match="line 2"):
        rows.read(path)


def test_the_last_row_with_a_key_is_found():
    table = [{"image": "a", "n": 1}, {"image": "a", "n": 2, "more": 0}, {"image": "b", "n": 3}]
    assert rows.find(table, {"image": "a"}) == table[1]
    assert rows.find(table, {"image": "a", "n": 1}) == table[0]
    assert rows.find(table, {"image": "c"}) is None
    assert rows.find(table, {"absent": None}) is None


def test_facts_are_json_and_name_no_path_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script = str(tmp_path / "configs" / "a b.toml")
    monkeypatch.setattr(rows.sys, "orig_argv", ["/somewhere/bin/python", "-m", "experiments.x", script])
    facts = rows.facts()
    assert facts["command"] == "python -m experiments.x 'configs/a b.toml'"
    assert {"dfm", "jax", "python"} <= facts["versions"].keys()
    assert json.loads(json.dumps(facts)) == facts
