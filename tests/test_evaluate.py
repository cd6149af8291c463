"""Evaluation, samples and pictures of a training, as commands, with other features than Inception's."""

import contextlib
import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm import image
from experiments import batches, draws, evaluate, inception, judge, latents, pictures, rows, run, sample
from experiments import train as training

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train an autoencoder, and a classifier, for a few steps on the digits."""
    place = tmp_path_factory.mktemp("runs")
    common = ["data=digits", "train.batch=40", "log_every=5", "save_every=5"]
    small = ["settings.dense=[16]", "settings.hidden=[16]", "settings.width=2", "settings.depth=2"]
    configs = ROOT / "configs"
    training.main(
        [str(configs / "dfm_digits.toml"), "--run", str(place / "dfm"), *common, *small, "train.steps=10"]
    )
    plain = ["settings.convolutions=[]", "settings.dense=[64]", "settings.dropped=0.0", "train.steps=100"]
    training.main([str(configs / "classifier_mnist.toml"), "--run", str(place / "classes"), *common, *plain])
    return place


@pytest.fixture
def quick(monkeypatch):
    """Put averages of 4x4 pixels in place of Inception's features."""
    weights = inception.Weights({}, None, "0" * 64)
    monkeypatch.setattr(inception, "load", lambda path=None: weights)
    monkeypatch.setattr(
        inception,
        "features",
        lambda w, x, notify=None: (
            x.reshape(len(x), 8, 4, 8, 4, -1).mean((2, 4)).reshape(len(x), -1)[:, 18:46]
        ),
    )


@pytest.mark.usefixtures("quick")
def test_an_evaluation_writes_a_row_for_each_prior(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("DFM_DATA", str(tmp_path))
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        evaluate.main(
            [
                str(trained / "dfm"),
                *("--priors", "none,gaussian", "--samples", "200"),
                *("--classifier", str(trained / "classes"), "--results", str(tmp_path / "rows.jsonl")),
            ]
        )
    found = rows.read(tmp_path / "rows.jsonl")
    assert found == rows.read(trained / "dfm" / "evaluation.jsonl")
    assert [row["what"] for row in found] == ["reconstructions", "none", "gaussian"]
    for row in found[1:]:
        assert row["fid"] > 0
        assert 0 <= row["precision"] <= 1
    assert found[0]["psnr_db"] > 5
    assert all(0 <= row["entropy"] <= row["classes_entropy"] + 1e-6 <= np.log(10) + 1e-5 for row in found)
    wanted = {"weights": "0" * 16, "samples": 200, "references": 200, "split": "first 200 of test"}
    assert wanted.items() <= found[1]["protocol"].items()
    assert json.loads(json.dumps(found[1]["protocol"])) == found[1]["protocol"]
    assert "| gaussian |" in shown.getvalue()
    assert "protocol: " in shown.getvalue()


@pytest.mark.usefixtures("quick")
def test_reconstructions_are_held_against_the_test_images_and_a_seed_draws_others(trained, tmp_path):
    results, place = tmp_path / "rows.jsonl", str(trained / "dfm")
    common = "--priors", "gaussian", "--samples", "100", "--classifier", str(trained / "classes")
    for seed in ("0", "1"):
        evaluate.main([place, *common, "--seed", seed, "--results", str(results)])
    first, drawn, again, others = rows.read(results)
    opened = run.open(place)
    images, labels = (values[:100] for values in opened.data.test)
    made = pictures.as_bytes(latents.reconstruct(opened.model(), images))
    assert first["psnr_db"] == again["psnr_db"] == pictures.mean_psnr(images, made)
    assert "fid" not in first
    assert drawn["fid"] != others["fid"]
    classifier = run.open(trained / "classes").model()
    seen = batches.apply(classifier, lambda model, x: model(x / 255), made).argmax(1)
    assert first["accuracy"] == np.mean(seen == labels)
    judged = judge.Judge(None, str(trained / "classes"), None)
    assert judged.accuracy(images, labels) > 0.8


@pytest.mark.usefixtures("quick")
def test_precision_is_of_what_is_made_and_recall_of_what_is_real():
    random = np.random.default_rng(0)
    real = random.integers(0, 256, (60, 32, 32, 1), dtype=np.uint8)
    made = np.clip(real[:1].astype(int) + random.integers(-1, 2, real.shape), 0, 255).astype(np.uint8)
    weights = inception.load()
    found = judge.Judge(weights, None, None).distances(weights, made, real)
    assert found["precision"] == 1
    assert found["recall"] < 0.1


def test_codes_take_no_prior_over_numbers(trained):
    config = str(ROOT / "configs" / "vq_vae_mnist.toml")
    short = "train.steps=2", "train.batch=40", "log_every=2", "save_every=2", "settings.convolutions=[4]"
    training.main([config, "--run", str(trained / "codes"), "data=digits", *short])
    with pytest.raises(SystemExit, match="are codes, which normal does not fit; train a prior over codes"):
        evaluate.main([str(trained / "codes"), "--priors", "normal", "--samples", "10", "--no-features"])
    (row,) = rows.read(trained / "codes" / "evaluation.jsonl")
    assert row["what"] == "reconstructions"


class Named:
    """Draw what a key and, where asked, a class say."""

    @staticmethod
    def plain(model, key, n):
        return jax.random.uniform(key, (n, 1, 1, 1))

    @staticmethod
    def of_classes(model, key, n, labels=None):
        return jnp.broadcast_to(labels[:, None, None, None], (n, 1, 1, 1)) * 1.0


class Doubled(nnx.Module):
    def decode(self, z):
        return 2 * z


def test_a_model_draws_each_class_in_turn():
    split = SimpleNamespace(labels=np.array([2, 0, 1]))
    asked = SimpleNamespace(
        module=SimpleNamespace(sample=Named.of_classes), data=SimpleNamespace(train=split), first=None
    )
    assert draws.is_conditional(asked)
    assert draws.of_model(asked, Doubled(), 7).ravel().tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_latents_of_another_model_are_brought_to_its_unit_and_decoded():
    plain = SimpleNamespace(module=SimpleNamespace(sample=Named.plain), first=None)
    second = SimpleNamespace(module=plain.module, first=SimpleNamespace(model=Doubled), unit=3.0)
    images = draws.of_model(plain, Doubled(), 5)
    assert len(set(images.ravel())) == 5
    np.testing.assert_allclose(draws.of_model(second, Doubled(), 5), 6 * images, rtol=1e-6)


def test_a_training_without_metrics_is_evaluated_too(trained, tmp_path):
    copied = shutil.copytree(trained / "dfm", tmp_path / "dfm")
    command = [str(copied), "--priors", "", "--samples", "10", "--no-features"]
    evaluate.main(command)
    (copied / "metrics.jsonl").unlink()
    evaluate.main(command)
    told, untold = rows.read(copied / "evaluation.jsonl")[-2:]
    assert told["images_per_second"] > 0
    assert untold["images_per_second"] is None
    assert told["parameters"] == untold["parameters"] > 0


def test_without_features_no_weights_are_needed(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DFM_DATA", str(tmp_path))
    evaluate.main([str(trained / "dfm"), "--priors", "none", "--samples", "50", "--no-features"])
    found = rows.read(trained / "dfm" / "evaluation.jsonl")[-2:]
    assert [row["what"] for row in found] == ["reconstructions", "none"]
    assert "fid" not in found[1]
    assert f"{found[0]['psnr_db']:.2f}" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_a_wrong_evaluation_is_one_line(trained, tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate.main([str(trained / "dfm"), "--priors", "nonsense"])
    assert "'nonsense' is no prior; choose among none, " in capsys.readouterr().err
    for arguments, said in (
        ([str(tmp_path)], "config.json is absent"),
        (
            [str(trained / "dfm"), "--classifier", str(trained / "dfm")],
            "dfm_autoencoder, and no classifier",
        ),
        ([str(trained / "classes"), "--priors", "gaussian"], "classifier has no latents"),
        ([str(trained / "classes"), "--priors", "none"], "classifier draws no images of itself"),
        (
            [str(trained / "dfm"), "--priors", "none", "flow.steps=1"],
            "'flow' is not among the chosen priors, none",
        ),
        ([str(trained / "dfm"), "--priors", "flow", "flow.seps=1"], "prior flow has an unknown key 'seps'"),
        ([str(trained / "dfm"), "--priors", "flow", "flow.steps"], "'flow.steps' is no override"),
    ):
        with pytest.raises(SystemExit, match=said) as error:
            evaluate.main(arguments)
        assert "\n" not in str(error.value)


def test_the_classifier_learns(trained):
    opened = run.open(trained / "classes")
    logits = batches.apply(opened.model(), lambda model, x: model(x / 255), opened.data.test.images)
    assert np.mean(logits.argmax(1) == opened.data.test.labels) > 0.8


def test_pictures_show_what_they_say(trained, tmp_path):
    sample.main([str(trained / "dfm"), "--prior", "gaussian", "--count", "7", "--out", str(tmp_path)])
    shown = {path.stem: image.read(path) for path in tmp_path.iterdir()}
    assert {name: picture.shape for name, picture in shown.items()} == {
        "samples": (12, 102),
        "reconstructions": (102, 102),
        "interpolations": (102, 102),
        "sizes": (248, 330),
    }
    opened = run.open(trained / "dfm")
    model, first = opened.model(), opened.data.test.images[:10]
    np.testing.assert_array_equal(shown["reconstructions"][2:10, 2:10], first[0, ..., 0])
    decoded = latents.decode(model, latents.encode(model, first))
    np.testing.assert_array_equal(
        shown["reconstructions"][12:20, 2:10], np.rint(255 * decoded[0, ..., 0]).astype(np.uint8)
    )
    np.testing.assert_array_equal(shown["interpolations"][2:10, 2:10], shown["reconstructions"][12:20, 2:10])


def test_a_prior_takes_settings(trained, tmp_path):
    def drawn(*settings: str) -> np.ndarray:
        sample.main(
            [str(trained / "dfm"), "--prior", "gaussian", *settings, "--count", "4", "--out", str(tmp_path)]
        )
        return image.read(tmp_path / "samples.png")

    plain = drawn()
    np.testing.assert_array_equal(drawn("gaussian.ridge=1e-6"), plain)
    assert np.any(drawn("gaussian.ridge=9") != plain)


def test_images_are_mapped_in_batches_of_any_size(trained):
    opened = run.open(trained / "dfm")
    model, images = opened.model(), opened.data.test.images[:23]
    whole = latents.encode(model, images)
    parts = batches.apply(model, lambda model, x: model.encode(x / 255), images, batch=5)
    np.testing.assert_allclose(whole, parts, atol=1e-5)


def test_reconstructions_lie_below_their_images_in_a_last_row_that_is_not_full():
    images = np.arange(15).reshape(15, 1, 1, 1) / 100
    shown = pictures._alternating(images, images + 0.5).reshape(-1, pictures.SIDE)
    np.testing.assert_array_equal(shown[:2], [images[:10, 0, 0, 0], images[:10, 0, 0, 0] + 0.5])
    np.testing.assert_array_equal(shown[2], [*images[10:, 0, 0, 0], *[1] * 5])
    np.testing.assert_array_equal(shown[3], [*images[10:, 0, 0, 0] + 0.5, *[1] * 5])


def test_a_grid_has_white_gaps():
    sheet = pictures.grid(np.zeros((3, 4, 5, 1)), 2)
    assert sheet.shape == (14, 16, 1)
    assert (sheet == 0).sum() == 3 * 20
    assert set(np.unique(sheet)) == {0, 255}
