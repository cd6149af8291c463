"""Tables of bytes against PSNR, from invented rows."""

import pytest

from experiments import kodak, rate_tables

PSNRS = (20.0, 22.0, 24.0, 26.0)
ADDED = {"encode_seconds": 1.0, "decode_seconds": 0.5}


def curve(factor, **key):
    """Give a curve whose bytes double with 2 dB, times `factor`."""
    points = [(round(1000 * factor * 2**i), psnr) for i, psnr in enumerate(PSNRS)]
    return [key | ADDED | {"bytes": n, "bpp": n / 49152, "psnr_db": psnr} for n, psnr in points]


def ours(factor, image="kodim04"):
    rows = curve(factor, image=image, codec="coordinate:fast")
    return [row | {"budget_bytes": 1000 * 2**i} for i, row in enumerate(rows)]


def siren(factor, image="kodim04"):
    return curve(factor, image=image, codec="siren", beside="coordinate:fast")


def jpeg(factor, image="kodim04", label="JPEG 4:2:0"):
    return curve(factor, image=image, codec="jpeg", label=label)


def lines(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_bytes_at_a_psnr_follow_the_curve_between_its_points():
    points = curve(1)
    assert rate_tables.bytes_at(points, 22.0) == pytest.approx(2000)
    assert rate_tables.bytes_at(points, 23.0) == pytest.approx(2000 * 2**0.5)


def test_bytes_below_the_smallest_file_are_its_own_and_beyond_the_best_none():
    assert rate_tables.bytes_at(curve(1), 10.0) == pytest.approx(1000)
    assert rate_tables.bytes_at(curve(1), 26.01) is None
    assert rate_tables.bytes_at([], 20.0) is None


def test_a_larger_file_of_lower_psnr_does_not_count():
    worse = {"bytes": 3000, "psnr_db": 21.0}
    assert rate_tables.bytes_at([*curve(1), worse], 23.0) == rate_tables.bytes_at(curve(1), 23.0)


def test_bd_rates_are_those_of_curves_at_a_constant_ratio():
    images = ("kodim04", "kodim08")
    mine = [row for name in images for row in ours(0.5, name)]
    sirens = [row for name in images for row in siren(1, name)]
    jpegs = jpeg(2, "kodim04") + jpeg(1, "kodim08")
    references = {"SIREN, 16 bit": sirens, "JPEG 4:2:0": jpegs}
    cells = lines(rate_tables.bd_rates(mine, references))
    assert cells[0] == ["image", "against SIREN, 16 bit, %", "against JPEG 4:2:0, %"]
    assert cells[2:] == [
        ["kodim04", "-50.0", "-75.0"],
        ["kodim08", "-50.0", "-50.0"],
        ["mean", "-50.0", "-62.5"],
    ]


def test_a_mean_over_the_easy_images_alone_is_not_shown():
    mine = ours(0.5, "kodim04") + ours(0.5, "kodim08")
    assert lines(rate_tables.bd_rates(mine, {"SIREN": siren(1, "kodim04")}))[-1] == ["mean", "–"]


def test_equal_psnr_is_against_the_jpeg_variant_with_fewest_bytes():
    jpegs = jpeg(2) + jpeg(1, label="JPEG flat")
    cells = lines(rate_tables.equal_psnr(ours(0.8), jpegs))
    assert [row[0] for row in cells[2:]] == [f"{n} dB" for n in range(20, 27)]
    assert {row[1] for row in cells[2:]} == {"80"}


def test_a_psnr_that_jpeg_exceeds_with_its_smallest_file_counts_that_file():
    cells = lines(rate_tables.equal_psnr(ours(1), [row for row in jpeg(1) if row["psnr_db"] > 23]))
    assert cells[2][1:] == ["25", "25"]


def test_the_published_curve_needs_all_of_kodak(tmp_path):
    path = tmp_path / "coin.tsv"
    points = [f"{row['bpp']}\t{row['psnr_db']}\n" for row in curve(1)]
    path.write_text("# source\nbpp\tpsnr_db\n" + "".join(points))
    assert "Not measured" in rate_tables.published(ours(0.7), path)
    everywhere = [row for name in kodak.NAMES for row in ours(0.7, name)]
    assert "-30.0 %" in rate_tables.published(everywhere, path)


def test_presets_are_averaged_and_one_without_a_curve_has_none():
    photos = ("kodim04", "kodim08")
    fast = [row | {"codec": "latent:fast"} for name in photos for row in ours(0.5, name)]
    fast[0] |= {"encode_seconds": 1234.0}
    fast[1] |= {"encode_seconds": None}
    best = [row | {"codec": "latent:best"} for row in ours(0.4)[:1]]
    jpegs = jpeg(1, "kodim04") + jpeg(2, "kodim08")
    cells = lines(rate_tables.presets(fast + best, {"JPEG 4:2:0": jpegs}))
    assert cells[2:] == [
        ["fast", "8", "1 to 1,234", "-62.5"],
        ["best", "1", "1", "–"],
    ]
