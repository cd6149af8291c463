"""Autoencoders against PCA at bottlenecks."""

import numpy as np

from experiments import bottlenecks, datasets, rows


def test_rows_are_measured_once_and_laid_out(tmp_path, capsys):
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        f'data = "digits"\nlatents = [2, 8]\nresults = "{results}"\n'
        'autoencoders = [{name = "dense", model = "autoencoder", settings = {dense = [8]}}]\n'
        "train = {steps = 3, batch = 100}\n"
    )
    for _ in range(2):
        bottlenecks.main([str(config)])
    measured = rows.read(results)
    assert [(row["method"], row["latent"]) for row in measured] == [
        ("PCA", 2),
        ("dense", 2),
        ("PCA", 8),
        ("dense", 8),
    ]
    assert measured[0]["explained"] < measured[2]["explained"]
    table = capsys.readouterr().out
    assert all(f"{row['psnr_db']:.2f} dB, {100 * row['explained']:.1f} %" in table for row in measured)


def test_data_sets_have_columns_of_their_own():
    row = {"method": "PCA", "latent": 2, "explained": 0.5}
    measured = [row | {"data": "mnist", "psnr_db": 12.0}, row | {"data": "cifar10", "psnr_db": 18.0}]
    header, _, line = bottlenecks.table(measured).splitlines()
    assert header == "| PSNR of the mean error, explained | mnist, 2 | cifar10, 2 |"
    assert line == "| PCA | 12.00 dB, 50.0 % | 18.00 dB, 50.0 % |"


def test_the_mean_image_explains_nothing_and_the_images_all():
    data = datasets.load("digits")
    mean = np.broadcast_to(data.train.images.mean(0) / 255, data.test.images.shape)
    assert bottlenecks.scores(data, mean)["explained"] == 0
    assert bottlenecks.scores(data, mean + (data.test.images / 255 - mean) / 2)["explained"] == 0.75
