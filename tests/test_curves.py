"""Hold means, BD-rates and drawings of curves to the rows that they are made of."""

import xml.etree.ElementTree as ET

import pytest

from dfm import curves, table

SVG = "{http://www.w3.org/2000/svg}"


def row(codec, image, point, bpp, psnr, **more):
    return {
        "codec": codec,
        "label": codec.upper(),
        "image": image,
        "point": point,
        "settings": {"quality": point, "tables": "flat"},
        "bytes": round(1000 * bpp),
        "bpp": bpp,
        "psnr_db": psnr,
        "ssim": 0.5 + 0.1 * point,
        "ms_ssim": 1 - 0.1 / (1 + point),
        "encode_seconds": 0.5,
        "decode_seconds": 0.25,
    } | more


def curve(codec, image, factor=1.0, offset=0.0):
    return [row(codec, image, i, factor * 0.1 * 2**i, 25 + 3 * i + offset) for i in range(4)]


def test_points_are_told_from_files_at_equal_bytes():
    rows = curve("a", "x")
    shown = {k: v for k, v in rows[0].items() if k != "point"} | {"budget_bytes": 100}
    assert curves.of([*rows, shown]) == rows


def test_the_mean_is_over_all_images_point_by_point():
    rows = [*curve("a", "x", 1.0), *curve("a", "y", 3.0, offset=2.0)]
    mean = curves.mean(rows)
    assert [r["bpp"] for r in mean] == pytest.approx([0.2, 0.4, 0.8, 1.6])
    assert [r["psnr_db"] for r in mean] == pytest.approx([26, 29, 32, 35])
    assert {r["image"] for r in mean} == {"mean of 2 images"}


def test_a_point_that_an_image_lacks_is_in_no_mean():
    rows = [*curve("a", "x"), *curve("a", "y")[1:], *curve("b", "x")]
    assert [(r["codec"], r["point"]) for r in curves.mean(rows)] == [("a", 1), ("a", 2), ("a", 3)]


def test_the_mean_with_a_lossless_file_has_no_psnr():
    rows = [*curve("a", "x"), *curve("a", "y")]
    rows[0] = rows[0] | {"psnr_db": None}
    assert [r["psnr_db"] is None for r in curves.mean(rows)] == [True, False, False, False]


def test_bd_rates_are_of_each_image_and_not_of_the_mean():
    rows = [*curve("a", "x"), *curve("a", "y", 10), *curve("b", "x", 0.5), *curve("b", "y", 20)]
    assert curves.bd_rates(rows, "a")["b"] == pytest.approx([-50, 100])
    assert curves.bd_rates(rows, "a")["a"] == pytest.approx([0, 0])
    assert table.bd_rates([r | {"codec": {"a": "jpeg"}.get(r["codec"], r["codec"])} for r in rows]) == (
        "A",
        [("B", "+25.0 %")],
    )


def test_an_image_without_overlap_has_no_bd_rate_and_the_table_counts_it():
    rows = [*curve("jpeg", "x"), *curve("b", "x", 0.5), *curve("jpeg", "y"), *curve("b", "y", 1, offset=50)]
    assert curves.bd_rates(rows, "jpeg")["b"] == pytest.approx([-50])
    assert table.bd_rates(rows)[1] == [("B", "-50.0 % (1 of 2 images)")]
    assert table.bd_rates(rows[8:])[1] == [("B", "no common PSNR")]


def test_jpeg_is_the_reference_where_it_is_there():
    rows = [*curve("b", "x"), *curve("jpeg", "x", 2)]
    assert table.bd_rates(rows) == ("JPEG", [("B", "-50.0 %")])
    assert table.bd_rates(curve("b", "x"))[0] == "B"
    assert table.bd_rates([]) == ("", [])


def test_cells_mark_what_is_over_the_budget_and_what_has_no_loss():
    cells = table.cells(row("a", "x", 7, 1.5, None, ssim=None, budget_bytes=1499))
    assert cells == ["A", "quality 7, flat", "1,500 (over)", "1.500", "∞", "–", "0.9875", "0.500", "0.250"]
    assert table.cells(row("a", "x", 7, 1.5, 30.0, budget_bytes=1500))[2] == "1,500"
    assert len(cells) == len(table.COLUMNS)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"max_bytes": 123456}, "max bytes 123,456"),
        ({"bits_per_pixel": 0.4959577}, "bits per pixel 0.496"),
        ({"quality": 5, "tune": "psnr"}, "quality 5, psnr"),
    ],
)
def test_settings_are_told_in_words_and_short_numbers(settings, text):
    assert table.cells(row("a", "x", 0, 1.0, 30.0, settings=settings))[1] == text


def test_a_drawing_is_svg_with_every_codec_in_its_color():
    rows = [*curve("a", "x"), *curve("b", "x", 2)]
    svg = curves.figure(rows, {"a": "#102030", "b": "#405060"})
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"A", "B", "PSNR (dB)", "SSIM", "bits per pixel"} <= texts
    for color in ("#102030", "#405060"):
        assert svg.count(f"stroke: {color}") >= 3
    assert "#010203" not in svg


def test_equal_rows_give_an_equal_drawing():
    rows, palette = curve("a", "x"), {"a": "#102030"}
    assert curves.figure(rows, palette) == curves.figure(rows, palette)


@pytest.mark.parametrize("missing", ["psnr_db", "ssim", "ms_ssim"])
def test_a_metric_without_values_leaves_its_panel_empty(missing):
    rows = [r | {missing: None} for r in curve("a", "x")]
    assert curves.figure(rows, {"a": "#102030"}).count("stroke: #102030") >= 2


def test_a_perfect_ms_ssim_is_drawn_at_60_db():
    rows = [r | {"ms_ssim": 1.0} for r in curve("a", "x")]
    assert ">60<" in curves.figure(rows, {"a": "#102030"})


def test_an_inline_drawing_has_no_address_and_no_doubled_id():
    svg = curves.inline(curves.figure(curve("a", "x"), {"a": "#102030"}))
    assert svg.startswith("<svg")
    assert "://" not in svg
    assert '<g id="' not in svg


def test_more_codecs_than_colors_still_have_one_each():
    rows = [r for i in range(25) for r in curve(f"codec{i}", "x")]
    assert set(curves.colors(rows)) == {f"codec{i}" for i in range(25)}
    assert len(set(curves.colors(rows[:32]).values())) == 8
