import re

import pytest

from experiments import command, train_analysis, train_base, train_directions

SETTINGS = {
    train_base: 'photos = "{0}"\noutput = "{0}/b.npz"\nlambda_ = 1e-3\nrounds = 1\n',
    train_analysis: 'photos = "{0}"\nbase = "{0}/b.npz"\nsteps = 1\n',
    train_directions: 'photos = "{0}"\nbase = "{0}/b.npz"\n',
}


@pytest.mark.parametrize("kind", [ValueError, ImportError, FloatingPointError, OSError])
def test_what_a_script_was_given_wrongly_is_told_in_one_line(kind):
    @command.one_line_errors
    def main(arguments=None):
        raise kind(f"{arguments} is\nno number")

    with pytest.raises(SystemExit, match=r"^test_command: x is no number$"):
        main("x")


def test_a_mistake_in_a_script_is_not_hidden():
    @command.one_line_errors
    def main(arguments=None):
        raise TypeError(arguments)

    with pytest.raises(TypeError):
        main()


@pytest.mark.parametrize("script", SETTINGS, ids=lambda script: script.__name__.rpartition(".")[2])
def test_trainings_of_networks_tell_that_photos_are_missing(script, tmp_path):
    absent = tmp_path / "absent"
    (tmp_path / "c.toml").write_text(SETTINGS[script].format(absent))
    with pytest.raises(SystemExit, match=re.escape(f"{absent}") + ".*: No such file or directory"):
        script.main([str(tmp_path / "c.toml")])
