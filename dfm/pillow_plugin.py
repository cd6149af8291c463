"""Let Pillow open and save .dfm files.

    from dfm import pillow_plugin
    pillow_plugin.register()
    Image.open("photo.png").save("photo.dfm", preset="fast", max_bytes=4000)
    Image.open("photo.dfm").show()

`save` takes the keywords of dfm.encode. As in all formats of Pillow, a failing save leaves an old file empty.
"""

from typing import IO, Any

from PIL import Image, ImageFile

from dfm import api, container, image

FORMAT = "DFM"

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_OPTIONS = ("codec", "preset", "lambda_", "max_bpp", "max_bytes", "min_psnr", "seed", "progress")


def register() -> None:
    """Add the format to Pillow; a second call changes nothing."""
    Image.register_open(FORMAT, DfmImageFile, _accept)
    Image.register_decoder(FORMAT, DfmDecoder)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".dfm")


class DfmImageFile(ImageFile.ImageFile):
    """Check a .dfm file and read its header at once; decode its pixels when they are asked for."""

    format = FORMAT
    format_description = "Deep Fourier Machine"

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read()
        if not _accept(data):
            raise SyntaxError("not a DFM file")
        try:
            header, _ = container.unpack(data, max_pixels=container.MAX_SIDE**2)
        except container.FormatError as error:
            raise OSError(str(error)) from error
        self._size = header.width, header.height
        self._mode = _MODES[header.channels]
        self.tile = [ImageFile._Tile(FORMAT, (0, 0, *self.size))]


class DfmDecoder(ImageFile.PyDecoder):
    """Decode the pixels for DfmImageFile."""

    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode the whole file into the image.

        Raises:
            OSError: the file is damaged.
        """
        data = buffer if self.fd is None else self.fd.read()  # Pillow's incremental Parser has no file
        pixels = self.state.xsize * self.state.ysize
        try:
            self.set_as_raw(api.decode(data, max_pixels=pixels).tobytes())
        except container.FormatError as error:
            raise OSError(str(error)) from error
        return -1, 0


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(container.MAGIC)


def _save(picture: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    try:
        pixels = image.from_pillow(picture)
    except ValueError as error:
        raise OSError(f"cannot write mode {picture.mode} as {FORMAT}: {error}") from error
    options = {name: value for name, value in picture.encoderinfo.items() if name in _OPTIONS}
    file.write(api.encode(pixels, **options))
