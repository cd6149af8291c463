import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageFile, UnidentifiedImageError

import dfm
from dfm import api, container, pillow_plugin, rate


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    Image.init()  # before the copies, as it fills the tables only once
    for table in ("ID", "OPEN", "SAVE", "EXTENSION", "DECODERS"):
        monkeypatch.setattr(Image, table, getattr(Image, table).copy())
    pillow_plugin.register()


def noise(mode, size=(7, 5)):
    shape = size[1], size[0], len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(pixels[:, :, 0] if shape[2] == 1 else pixels, mode)


def saved(picture, path, **options):
    picture.save(path, codec="stored", **options)
    return path


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_open_inverts_save(tmp_path, stored, mode):
    picture = noise(mode)
    with Image.open(saved(picture, tmp_path / "x.dfm")) as opened:
        assert (opened.mode, opened.size, opened.format) == (mode, (7, 5), "DFM")
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(picture))


def test_the_bytes_are_those_of_dfm_encode(tmp_path, stored):
    picture = noise("RGB")
    path = saved(picture, tmp_path / "x.dfm", preset="best")
    assert path.read_bytes() == dfm.encode(np.asarray(picture), "stored", "best")


def test_file_objects_work_as_paths_do(stored):
    picture, buffer = noise("RGB"), io.BytesIO()
    picture.save(buffer, "DFM", codec="stored")
    assert Image.open(buffer).tobytes() == picture.tobytes()


def test_a_file_can_come_in_pieces(tmp_path, stored):
    picture = noise("RGB", (40, 30))
    data = saved(picture, tmp_path / "x.dfm").read_bytes()
    parser = ImageFile.Parser()
    for at in range(0, len(data), 500):
        parser.feed(data[at : at + 500])
    assert parser.close().tobytes() == picture.tobytes()


def test_nothing_happens_on_import():
    program = (
        "from dfm import pillow_plugin; from PIL import Image; Image.init(); assert 'DFM' not in Image.OPEN"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_registering_twice_changes_nothing():
    before = Image.ID.copy()
    pillow_plugin.register()
    assert before == Image.ID


def test_pixels_are_decoded_when_they_are_asked_for(tmp_path, stored, monkeypatch):
    calls, decode = [], api.decode
    monkeypatch.setattr(
        api, "decode", lambda *args, **options: calls.append(args) or decode(*args, **options)
    )
    with Image.open(saved(noise("RGB"), tmp_path / "x.dfm")) as picture:
        assert picture.size == (7, 5)
        assert len(calls) == 0
        picture.load()
        picture.load()
        assert len(calls) == 1


def test_save_hands_its_options_to_the_encoder(tmp_path, stored):
    saved(noise("L"), tmp_path / "x.dfm", preset="best", min_psnr=20, seed=4, optimize=True)
    assert stored.seen == [(stored.PRESETS["best"], rate.Target(min_psnr=20), 4)]


@pytest.mark.parametrize(
    ("mode", "stored_mode"), [("1", "L"), ("P", "RGB"), ("CMYK", "RGB"), ("YCbCr", "RGB")]
)
def test_other_modes_of_8_bits_are_converted(tmp_path, stored, mode, stored_mode):
    picture = Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3) * 7).convert(mode)
    with Image.open(saved(picture, tmp_path / "x.dfm")) as opened:
        assert opened.mode == stored_mode
        assert opened.tobytes() == picture.convert(stored_mode).tobytes()


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "LAB"])
def test_modes_of_more_bits_are_refused(tmp_path, stored, mode):
    with pytest.raises(OSError, match=f"cannot write mode {mode} as DFM"):
        saved(Image.new(mode, (2, 2)), tmp_path / "x.dfm")
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_target_is_refused_and_leaves_no_file(tmp_path, stored):
    with pytest.raises(ValueError, match="bytes are too few"):
        saved(noise("RGB"), tmp_path / "x.dfm", max_bytes=20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\x89dfm", b"Hello" * 9])
@pytest.mark.filterwarnings("ignore")
def test_foreign_data_are_not_identified(data):
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(data))
    with pytest.raises(SyntaxError, match="not a DFM file"):
        pillow_plugin.DfmImageFile(io.BytesIO(data))


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: d + b"x", lambda d: d[:30] + b"?" + d[31:], lambda d: d[:8]]
)
def test_damaged_files_give_os_error(tmp_path, stored, damage):
    data = saved(noise("RGB"), tmp_path / "x.dfm").read_bytes()
    with pytest.raises(OSError, match="get it again") as error:
        Image.open(io.BytesIO(damage(data))).load()
    assert not isinstance(error.value, UnidentifiedImageError)


def test_a_damaged_payload_gives_os_error(stored):
    header = container.Header(codec="stor", width=3, height=3, channels=1)
    picture = Image.open(io.BytesIO(container.pack(header, b"not zlib")))
    with pytest.raises(OSError, match="damaged"):
        picture.load()


def test_the_limit_on_pixels_is_that_of_pillow(stored, monkeypatch):
    header = container.Header(codec="stor", width=container.MAX_SIDE, height=container.MAX_SIDE, channels=1)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(container.pack(header, b"")))
