"""Hold the HTML report: whole, well formed, without network, true to the pixels, and working in a browser."""

import base64
import html.parser
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfm import compare, contestant, image, metrics, report, result
from tests import browser

CHELSEA = Path(__file__).parent.parent / "experiments" / "photos" / "chelsea.png"
HOSTILE = "</script><script>alert(\"x\")</script> <!--data--> & 'quoted'.png"
VOID = {"meta", "link", "input", "img", "br", "hr"}


def photo():
    return image.read(CHELSEA)[100:148, 150:214]


def compete(pixels, *names):
    """Give results at 1500 bytes, and the rows of short curves."""
    results, rows = [], []
    for name in names:
        entry = contestant.named(name)
        results.append(result.measure(pixels, entry, contestant.fit(entry, pixels, 1500)))
        for i, setting in enumerate(entry.sweep(pixels.shape)[::4]):
            point = result.measure(pixels, entry, contestant.make(entry, pixels, setting))
            rows.append(point.row("cat.png", {"point": i}))
    return results, rows


@pytest.fixture(scope="module")
def whole():
    """Give a report on two images, one with alpha and a name that would break a careless page."""
    results, rows = compete(photo(), "jpeg", "webp")
    clear = np.dstack([photo()[:20, :30], np.full((20, 30), 90, np.uint8)])
    pictures = [
        report.Picture(name="cat.png", original=photo(), budget_bytes=1500, results=results),
        report.Picture(
            name=HOSTILE, original=clear, budget_bytes=9, results=compare.equal_bytes(clear, 9, ["webp"])
        ),
    ]
    return report.Report(
        command="dfm compare cat.png 'a & <b>.png'",
        machine="a <machine>",
        pictures=pictures,
        rows=rows,
        notes=["JPEG <could> not"],
    )


@pytest.fixture(scope="module")
def page(whole):
    return report.page(whole)


class Tree(html.parser.HTMLParser):
    """Collect tags with attributes, text outside scripts and styles, and every end that has no beginning."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.faults = [], [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def pixels_of(uri):
    kind, _, code = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))


def test_every_tag_is_closed_and_every_id_is_one(page):
    tree = Tree(page)
    assert (tree.open, tree.faults) == ([], [])
    ids = [attributes["id"] for _, attributes in tree.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not re.search(r"<!--(?!\s)\w+-->", page)


def test_the_page_refers_to_nothing_outside_itself(page):
    for tag, attributes in Tree(page).tags:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            target = attributes.get(name) or "#"
            assert target.startswith(("data:", "#")), f"{tag} {name}={target[:50]}"
    without_data = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", page)
    assert "//" not in re.sub(r"^// .*$", "", without_data, flags=re.M)
    assert not re.search(r"@import|url\((?!#)", without_data)
    assert "default-src 'none'" in page


def test_names_commands_and_notes_are_text(page):
    tree = Tree(page)
    for text in (HOSTILE, "dfm compare cat.png 'a & <b>.png'", "a <machine>", "JPEG <could> not"):
        assert text in tree.text
    assert [tag for tag, _ in tree.tags].count("script") == 2


def test_the_table_has_the_figures_of_every_file(page, whole):
    text = Tree(page).text
    for picture in whole.pictures:
        assert f"{picture.name}, {picture.original.shape[1]} × {picture.original.shape[0]} pixels" in text
        for r in picture.results:
            assert f"{len(r.data):,}" in text
            assert f"{r.psnr_db:.2f}" in text
            assert f"{r.ssim:.4f}" in text
    assert "(over)" in text


def test_the_pictures_are_the_pixels_that_were_measured(page, whole):
    data = data_of(page)
    assert len(data) == len(whole.pictures)
    for shown, picture in zip(data, whole.pictures, strict=True):
        np.testing.assert_array_equal(pixels_of(shown["original"]), picture.original)
        for one, r in zip(shown["results"], picture.results, strict=True):
            np.testing.assert_array_equal(pixels_of(one["image"]), r.decoded)
            assert one["label"] == r.label


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_gray_and_alpha_are_shown_as_they_are(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, channels), dtype=np.uint8)
    picture = report.Picture(name="x", original=pixels, budget_bytes=1)
    (shown,) = data_of(report.page(report.Report(command="x", machine="y", pictures=[picture])))
    gray = {1: pixels, 2: pixels[..., :1], 4: pixels[..., :3]}[channels]
    np.testing.assert_array_equal(pixels_of(shown["original"])[..., :3], np.broadcast_to(gray, (8, 9, 3)))
    if channels != 1:
        np.testing.assert_array_equal(pixels_of(shown["original"])[..., 3], pixels[..., -1])


def test_a_large_image_is_shown_by_its_middle():
    pixels = np.zeros((4, report.MAX_SIDE + 100, 1), np.uint8)
    pixels[:, 50:-50] = 200
    picture = report.Picture(name="wide", original=pixels, budget_bytes=1)
    (shown,) = data_of(report.page(report.Report(command="x", machine="y", pictures=[picture])))
    assert pixels_of(shown["original"]).shape[:2] == (4, report.MAX_SIDE)
    assert pixels_of(shown["original"]).min() == 200
    assert shown["scope"] == f"The middle {report.MAX_SIDE} × 4 pixels"


def test_the_curves_are_in_the_page_in_the_colors_of_the_buttons(page):
    svg = re.search(r"<svg.*?</svg>", page, re.S)[0]
    for one in data_of(page)[0]["results"]:
        assert f"stroke: {one['color']}" in svg
        assert f">{one['label']}</text>" in svg


def test_a_mean_and_bd_rates_are_shown_of_images_that_all_have_files(tmp_path):
    for name in "ab":
        image.write(tmp_path / f"{name}.png", photo()[:: 1 if name == "a" else -1])
    image.write(tmp_path / "c.png", np.dstack([photo(), photo()[..., 0]]))
    names = [str(tmp_path / f"{name}.png") for name in "abc"]

    def shown(*inputs):
        compare.run(inputs, ["jpeg", "webp"], report_dir=tmp_path / "report")
        tree = Tree((tmp_path / "report" / "report.html").read_text())
        return tree.text, sum(tag == "svg" for tag, _ in tree.tags)

    text, drawings = shown(*names[:2])
    assert "Mean over 2 images" in text
    assert drawings == 3
    assert "Bytes at equal PSNR, against JPEG 4:2:0" in text
    compare.run([names[0], names[2]], ["jpeg"], report_dir=tmp_path / "report")
    assert "Mean over" not in Tree((tmp_path / "report" / "report.html").read_text()).text


def test_an_equal_report_is_an_equal_page(page, whole):
    assert report.page(whole) == page


def test_a_report_without_curves_has_pictures_alone(tmp_path, whole):
    bare = report.Report(command="x", machine="y", pictures=whole.pictures[:1])
    report.write(tmp_path, bare)
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "rows.jsonl"}
    assert "<svg" not in (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def visit(page, tmp_path_factory):
    """Open the page in a browser, run visit_report.js, and give what it saw beside the browser's events."""
    if browser.EXECUTABLE is None:
        pytest.skip("no chromium or chrome on the PATH")
    folder = tmp_path_factory.mktemp("browser")
    (folder / "report.html").write_text(page, encoding="utf-8")
    script = Path(__file__).with_name("visit_report.js").read_text(encoding="utf-8")
    with browser.page(folder / "profile") as tab:
        tab.open(folder / "report.html")
        seen = tab.run(script)
        logged = tab.named("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        asked = [event["params"]["request"]["url"] for event in tab.named("Network.requestWillBeSent")]
    return seen | {"logged": logged, "asked": asked, "file": (folder / "report.html").as_uri()}


def test_the_script_runs_without_a_word_and_asks_for_nothing(visit):
    assert visit["logged"] == []
    assert {url for url in visit["asked"] if not url.startswith("data:")} == {visit["file"]}


def test_the_browser_finds_the_psnr_that_was_measured(visit, whole):
    first, second = whole.pictures[0].results
    for key, r in (("start", first), ("second", second), ("first", first), ("back", second)):
        assert f"browser: PSNR {metrics.psnr(photo(), r.decoded):.2f} dB" in visit[key]["caption"]
        assert f"{len(r.data):,} bytes" in visit[key]["caption"]


def test_the_slider_moves_by_keyboard_and_by_drag(visit):
    assert (visit["start"]["bar"], visit["start"]["clip"]) == ("50%", "inset(0px 0px 0px 50%)")
    assert (visit["slid"]["bar"], visit["slid"]["clip"]) == ("20%", "inset(0px 0px 0px 20%)")
    assert 74 < float(visit["dragged"]["bar"].rstrip("%")) < 76
    assert visit["dragged"]["transform"] == visit["slid"]["transform"]


def place(seen):
    return [float(number) for number in re.findall(r"-?[\d.]+(?=px|\))", seen["transform"])]


def test_zoom_is_sharp_and_pan_moves_all_layers_alike(visit):
    start, zoomed, panned, arrow = (place(visit[key]) for key in ("start", "zoomed", "panned", "arrow"))
    assert zoomed[2] == pytest.approx(4 * start[2], rel=1e-4)
    assert np.subtract(panned, zoomed) == pytest.approx([-40, -15, 0], abs=0.01)
    assert np.subtract(arrow, panned) == pytest.approx([-60, 0, 0], abs=0.01)
    assert place(visit["fitted"]) == start
    assert place(visit["one"])[2] == 1
    assert visit["one"]["zoom"] == "100 %"
    assert visit["zoomed"]["smooth"] == "pixelated"
    assert all(visit[key]["together"] for key in ("start", "zoomed", "panned", "arrow", "fitted", "one"))


def test_the_difference_is_amplified_by_the_factor_that_it_states(visit, whole):
    assert (visit["one"]["difference"], visit["difference"]["difference"]) == ("none", "block")
    assert visit["difference"]["clip"] == "none"
    assert visit["difference"]["tag"] == "Original − JPEG 4:2:0, 8 ×"
    assert visit["gain"]["tag"] == "Original − JPEG 4:2:0, 2 ×"
    off = np.abs(photo()[9, 7].astype(int) - whole.pictures[0].results[0].decoded[9, 7])
    assert visit["eight"] == [*np.minimum(8 * off, 255), 255]
    assert visit["two"] == [*np.minimum(2 * off, 255), 255]
    assert off.max() > 0


def test_codecs_and_images_change_with_their_tables(visit):
    assert visit["start"]["codecs"] == ["JPEG 4:2:0", "WebP 4:2:0"]
    assert [visit[key]["rows"] for key in ("start", "second", "first")] == [
        ["JPEG 4:2:0"],
        ["WebP 4:2:0"],
        ["JPEG 4:2:0"],
    ]
    assert visit["other"]["codecs"] == visit["other"]["rows"] == ["WebP 4:2:0"]
    assert "on gray" in visit["other"]["caption"]
    assert visit["back"]["codecs"] == visit["start"]["codecs"]


def test_the_theme_follows_the_button_and_controls_take_the_focus(visit):
    assert visit["start"]["scheme"] == "light dark"
    assert (visit["light"]["scheme"], visit["dark"]["scheme"]) == ("light", "dark")
    assert visit["light"]["page"] != visit["dark"]["page"]
    assert visit["focused"] == ["stage", "split", "gain", "in", "picture"]
