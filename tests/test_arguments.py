"""What the command line takes, and what it answers to what it does not take."""

import pytest

import dfm
from dfm import cli


def misused(capsys, *argv):
    with pytest.raises(SystemExit) as error:
        cli.run(argv)
    assert error.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("encode",),
        ("decode",),
        ("info",),
        ("compare",),
        ("unknown", "in.png"),
        ("encode", "in.png", "--unknown"),
        ("encode", "in.png", "--pre", "fast"),
        ("encode", "in.png", "--lambda", "1", "--max-bpp", "1"),
        ("encode", "in.png", "--max-bytes", "1", "--min-psnr", "1"),
        *(
            ("encode", "in.png", option, "0")
            for option in ("--lambda", "--max-bpp", "--max-bytes", "--min-psnr")
        ),
        *(
            ("encode", "in.png", option, "nan")
            for option in ("--lambda", "--max-bpp", "--max-bytes", "--min-psnr")
        ),
        ("encode", "in.png", "--max-bytes", "1.5"),
        ("encode", "in.png", "--seed", "-1"),
        ("encode", "in.png", "--codec", "none"),
        ("encode", "in.png", "--codec", "jpeg"),
        ("encode", "in.png", "--preset", "none"),
        ("encode", "in.png", "--json", "-o", "-"),
        ("encode", "-", "--json"),
        ("decode", "in.dfm", "--size", "1x1", "--scale", "1"),
        *(
            ("decode", "in.dfm", "--size", size)
            for size in ("10", "10x", "0x5", "-1x5", "1.5x2", "axb", "1x2x3")
        ),
        *(("decode", "in.dfm", "--region", region) for region in ("1,2,3", "0,0,0,5", "a,b,c,d", "1;2;3;4")),
        ("decode", "in.dfm", "--scale", "0"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(capsys, argv):
    assert ": error: " in misused(capsys, *argv)


def test_wrong_choices_are_answered_with_the_right_ones(capsys, stored):
    assert "choose one of balanced, best" in misused(
        capsys, "encode", "x", "--codec", "stored", "--preset", "fast"
    )
    assert "choose one of " in misused(capsys, "encode", "x", "--codec", "none")


def test_version_and_help_are_printed(capsys):
    for argv in (
        ["--version"],
        ["--help"],
        ["encode", "--help"],
        ["decode", "--help"],
        ["compare", "--help"],
    ):
        with pytest.raises(SystemExit) as error:
            cli.run(argv)
        assert error.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"dfm {dfm.__version__}\n")
    options = (
        "--lambda --max-bpp --max-bytes --min-psnr --seed --json --size --scale --region --codecs --report"
    )
    assert all(option in out for option in options.split())
