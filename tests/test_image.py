"""Files in and files out. What Pillow itself guarantees is not tested again."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from dfm import image

CHELSEA = Path(__file__).parent.parent / "experiments" / "photos" / "chelsea.png"


def saved(picture, folder, name="in.png", **options):
    path = folder / name
    picture.save(path, **options)
    return path


def one_line(error):
    return "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (5, 3), (1, 20_000), (20_000, 1)])
def test_read_inverts_write(tmp_path, size, channels):
    shape = size if channels is None else (*size, channels)
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    image.write(tmp_path / "x.png", pixels)
    expected = pixels[:, :, 0] if channels == 1 else pixels
    np.testing.assert_array_equal(image.read(tmp_path / "x.png"), expected)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".bmp", ".PNG", ""])
def test_lossless_formats_keep_every_pixel(tmp_path, photo, suffix):
    path = tmp_path / f"x{suffix}"
    image.write(path, photo)
    np.testing.assert_array_equal(image.read(path), photo)


@pytest.mark.parametrize("suffix", [".jpg", ".avif"])
def test_lossy_formats_stay_close(tmp_path, suffix):
    pixels = image.read(CHELSEA)
    image.write(tmp_path / f"x{suffix}", pixels)
    assert np.abs(image.read(tmp_path / f"x{suffix}").astype(int) - pixels).mean() < 2


def test_webp_keeps_colors_under_full_transparency(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    image.write(tmp_path / "x.webp", pixels)
    np.testing.assert_array_equal(image.read(tmp_path / "x.webp"), pixels)


def test_file_objects_and_pipes_are_read_as_paths_are(tmp_path, photo):
    data = image.pack(photo)
    np.testing.assert_array_equal(image.read(io.BytesIO(data)), photo)
    readable, writable = os.pipe()
    with open(writable, "wb") as file:
        file.write(data)
    with open(readable, "rb") as file:
        np.testing.assert_array_equal(image.read(file), photo)


def test_palette_becomes_rgb(tmp_path, photo):
    picture = Image.fromarray(photo).quantize(16)
    np.testing.assert_array_equal(image.read(saved(picture, tmp_path)), np.asarray(picture.convert("RGB")))


def test_palette_with_a_clear_entry_becomes_rgba(tmp_path):
    picture = Image.new("P", (2, 1), 1)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((0, 0), 0)
    path = saved(picture, tmp_path, transparency=0)
    np.testing.assert_array_equal(image.read(path), [[[10, 20, 30, 0], [40, 50, 60, 255]]])


def test_gray_with_a_clear_level_becomes_gray_and_alpha(tmp_path):
    picture = Image.fromarray(np.array([[7, 9]], np.uint8))
    np.testing.assert_array_equal(image.read(saved(picture, tmp_path, transparency=7))[..., 1], [[0, 255]])


def test_one_bit_becomes_gray(tmp_path):
    picture = Image.fromarray(np.array([[True, False]]))
    np.testing.assert_array_equal(image.read(saved(picture, tmp_path)), [[255, 0]])


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path, "in.tif")
    np.testing.assert_array_equal(image.read(path), np.full((8, 8, 3), (255, 0, 0)))


def profile_with_red_and_blue_exchanged():
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for a, b in ((b"rXYZ", b"bXYZ"), (b"\0s\0R\0G\0B", b"\0x\0R\0G\0B")):
        data = (
            data.replace(a, b"\0\0\0\0").replace(b, a).replace(b"\0\0\0\0", b)
            if a == b"rXYZ"
            else data.replace(a, b)
        )
    return data


def test_another_color_profile_is_applied(tmp_path):
    path = saved(
        Image.new("RGB", (4, 4), (255, 0, 0)), tmp_path, icc_profile=profile_with_red_and_blue_exchanged()
    )
    assert np.abs(image.read(path).astype(int) - (0, 0, 255)).max() <= 2


@pytest.mark.parametrize(
    "profile", [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"no profile"]
)
def test_srgb_and_unreadable_profiles_change_nothing(tmp_path, photo, profile):
    path = saved(Image.fromarray(photo), tmp_path, icc_profile=profile)
    np.testing.assert_array_equal(image.read(path), photo)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("name", ["in.png", "in.tif", "in.webp"])
def test_exif_orientation_is_applied(tmp_path, photo, orientation, name):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(photo), tmp_path, name, exif=exif, lossless=True)
    turned = {
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.swapaxes(0, 1),
        6: np.rot90(photo, -1),
        7: np.rot90(photo, 2).swapaxes(0, 1),
        8: np.rot90(photo),
    }
    np.testing.assert_array_equal(image.read(path), turned.get(orientation, photo))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_is_no_reason_to_refuse_a_photo(tmp_path, photo):
    path = saved(Image.fromarray(photo), tmp_path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff\0\0")
    np.testing.assert_array_equal(image.read(path), photo)


def test_a_photo_with_a_preview_is_the_photo(tmp_path, photo):
    pictures = [Image.fromarray(photo), Image.fromarray(photo[:4, :4])]
    path = saved(pictures[0], tmp_path, "in.mpo", save_all=True, append_images=pictures[1:])
    assert image.read(path).shape == photo.shape


@pytest.mark.parametrize("name", ["in.gif", "in.png", "in.webp", "in.tif", "in.avif"])
def test_several_frames_are_refused(tmp_path, photo, name):
    pictures = [Image.fromarray(photo), Image.fromarray(photo[::-1])]
    path = saved(pictures[0], tmp_path, name, save_all=True, append_images=pictures[1:])
    with pytest.raises(
        ValueError, match=f"{name}: it has 2 frames; save the one you want as a PNG first"
    ) as error:
        image.read(path)
    assert one_line(error)


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".ico", ".icns", ".ppm", ".tif", ".tga", ".jp2"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_format_holds_an_image_to_the_bit_or_says_that_it_cannot(tmp_path, suffix, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (260, 300, channels)).astype(np.uint8)
    held = {".bmp": (1, 3), ".gif": (1,), ".ico": (), ".icns": (), ".ppm": (1, 3)}.get(suffix, (1, 3, 4))
    path = tmp_path / f"out{suffix}"
    if channels in held:
        image.write(path, pixels)
        written = image.read(path).reshape(*pixels.shape[:2], -1)
        np.testing.assert_array_equal(written[..., :channels], pixels)
    else:
        with pytest.raises(ValueError, match=r"cannot hold this image as it is; choose .png"):
            image.write(path, pixels)
        assert not path.exists()


def sixteen_bit_rgb_png():
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")


def test_more_than_8_bits_are_refused(tmp_path):
    (tmp_path / "rgb.png").write_bytes(sixteen_bit_rgb_png())
    paths = [
        tmp_path / "rgb.png",
        saved(Image.fromarray(np.zeros((2, 2), np.uint16)), tmp_path, "gray.png"),
        saved(Image.fromarray(np.zeros((2, 2), np.float32)), tmp_path, "float.tif"),
        saved(Image.fromarray(np.zeros((2, 2), np.int32)), tmp_path, "integer.tif"),
    ]
    for path in paths:
        with pytest.raises(
            ValueError, match=f"{path.name}: it has more than 8 bits a channel; convert it"
        ) as error:
            image.read(path)
        assert one_line(error)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"Hello\n" * 9, "is no image"),
        (b"\x89dfm\r\n", r"\.dfm file already"),
        (CHELSEA.read_bytes()[:50_000], "truncated"),
        (CHELSEA.read_bytes()[:20], ""),
    ],
)
def test_what_is_no_whole_image_is_refused(tmp_path, data, reason):
    path = tmp_path / "in.png"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"cannot read .*in.png.*{reason}") as error:
        image.read(path)
    assert one_line(error)


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_image_gives_an_image_or_a_value_error(seed):
    random = np.random.default_rng(seed)
    data = bytearray(DAMAGEABLE[seed % len(DAMAGEABLE)])
    for at in random.integers(0, len(data), 4):
        data[at] ^= 1 << random.integers(8)
    try:
        pixels = image.read(io.BytesIO(data[: random.integers(len(data) // 2, 2 * len(data))]))
    except ValueError:
        return
    assert pixels.dtype == np.uint8


def damageable():
    picture = Image.fromarray(np.random.default_rng(2).integers(0, 256, (9, 11, 3), dtype=np.uint8))
    buffers = {
        name: io.BytesIO() for name in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA", "JPEG2000")
    }
    for name, buffer in buffers.items():
        picture.save(buffer, name)
    return [buffer.getvalue() for buffer in buffers.values()]


DAMAGEABLE = damageable()


def test_folders_and_missing_files_are_named(tmp_path):
    with pytest.raises(IsADirectoryError):
        image.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        image.read(tmp_path / "none.png")


@pytest.mark.parametrize("factor", [1.5, 3])
def test_a_decompression_bomb_is_refused(monkeypatch, factor):
    pixels = 451 * 300
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(pixels / factor))
    with pytest.raises(ValueError, match=r"chelsea\.png: it has far over") as error:
        image.read(CHELSEA)
    assert one_line(error)


@pytest.mark.parametrize("suffix", [".docx", ".dfm", ".png.bak", ".xpm"])
def test_unknown_suffixes_are_refused(tmp_path, photo, suffix):
    with pytest.raises(ValueError, match=r"choose \.png") as error:
        image.write(tmp_path / f"x{suffix}", photo)
    assert one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"choose \.png"):
        image.write(tmp_path / "x.jpg", np.zeros((2, 2, 4), np.uint8))
    assert list(tmp_path.iterdir()) == []
