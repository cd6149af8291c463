import numpy as np
import pytest

from dfm import image
from experiments import overview, pictures


def row(run, what, steps=100, samples=10_000, **more):
    return {"run": run, "what": what, "steps": steps, "protocol": {"samples": samples}} | more


def bound(run, likelihood, steps=100, **more):
    return {"run": run, "steps": steps, "protocol": {"likelihood": likelihood}} | more


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_training_is_a_line_of_its_newest_figures():
    measured = [
        row("b_cifar10", "reconstructions", psnr_db=20.0, parameters=1234, images_per_second=9.6),
        row("a_mnist", "normal", steps=50, fid=1.0),
        row("a_mnist", "reconstructions", psnr_db=30.0),
        row("a_mnist", "reconstructions", psnr_db=31.0),
        row("a_mnist", "reconstructions", samples=1000, psnr_db=32.0),
        row("a_mnist", "none", samples=1000, fid=50.0),
        row("a_mnist", "flow", samples=1000, fid=2.0),
        row("a_mnist", "flow", fid=7.0),
        row("a_mnist", "diffusion", fid=8.0),
        row("c_cifar10", "none", fid=3.0),
    ]
    bounded = [
        bound("a_mnist", "bernoulli", iw_nats=-90.04, iw_bits_per_dimension=0.1),
        bound("b_cifar10", "gaussian", iw_nats=700.0, iw_bits_per_dimension=5.0),
        bound("b_cifar10", "gaussian", iw_nats=800.0, iw_bits_per_dimension=4.516),
        bound("c_cifar10", "gaussian", steps=50, iw_nats=900.0, iw_bits_per_dimension=4.0),
    ]
    _, _, first, second, third = map(cells, overview.table(measured, bounded).splitlines())
    assert first == ["a_mnist", "–", "100", "–", "31.0", "90.0 nats", "–", "–", "8.0", "(50.0)"]
    assert second == ["b_cifar10", "1,234", "100", "10", "20.0", "4.52 bits", "–", "–", "–", "–"]
    assert third == ["c_cifar10", "–", "100", "–", "–", "–", "–", "–", "–", "3.0"]


def test_a_sheet_shows_the_last_pictures_of_each_training(tmp_path):
    random = np.random.default_rng(0)
    drawn = {}
    (tmp_path / "first" / "pictures").mkdir(parents=True)
    for name in ("reconstructions_0000005", "reconstructions_0000010", "samples_0000010"):
        drawn[name] = pictures.grid(random.random((30, 8, 8, 1)))
        image.write(tmp_path / "first" / "pictures" / f"{name}.png", drawn[name])
    (tmp_path / "second").mkdir()
    sheet = overview.sheet(sorted(tmp_path.iterdir()))
    expected = np.concatenate([drawn["reconstructions_0000010"][:20], drawn["samples_0000010"][:10]])
    height, width = expected.shape[:2]
    top, left = 30, 12
    np.testing.assert_array_equal(
        sheet[top : top + height, left : left + width], np.broadcast_to(expected, (height, width, 3))
    )


def test_trainings_without_pictures_are_an_error_of_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^overview: .*experiments\.train"):
        overview.main(["--runs", str(tmp_path), "--pictures", str(tmp_path / "x.png")])
