"""Pack and unpack the .dfm file: header, payload, checksum (docs/format.md)."""

import re
import struct
import zlib
from dataclasses import dataclass

MAGIC = b"\x89dfm\r\n"
VERSION = 1
MAX_PIXELS = 2**27
MAX_SIDE = 2**28 - 1  # 4 bytes as a varint, so that all but the payload takes at most 24
CHANNELS = range(1, 5)

_PREFIX = struct.Struct("<6sB4s")  # magic, version, codec; then width and height as varints
_CHANNELS = struct.Struct("<B")
_CHECKSUM = struct.Struct("<I")  # CRC-32 of all bytes before it

_MANGLED = (b"\x89dfm\n", b"\x89dfm\r", b"\tdfm", b"\xc2\x89dfm", b"\xef\xbf\xbddfm", b"?dfm")
DAMAGED = "the file is damaged; get it again"  # said by those who read a payload
_AGAIN = "it is damaged or cut; get it again"


class FormatError(ValueError):
    """Say in one line why bytes are no readable .dfm file, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Hold what every .dfm file declares: `codec` in 4 letters, sizes in pixels, 1 to 4 channels.

    Raises:
        FormatError: a field is outside its range.
    """

    codec: str
    width: int
    height: int
    channels: int

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9]{4}", self.codec):
            raise FormatError(f"the codec is {self.codec!a}, not 4 lowercase letters or digits; {_AGAIN}")
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise FormatError(
                f"the size is {self.width} x {self.height}, allowed is 1 to {MAX_SIDE}; {_AGAIN}"
            )
        if self.channels not in CHANNELS:
            raise FormatError(f"the number of channels is {self.channels}, not 1 to 4; {_AGAIN}")


def pack(header: Header, payload: bytes) -> bytes:
    """Join header and payload into the bytes of a file."""
    body = (
        _PREFIX.pack(MAGIC, VERSION, header.codec.encode())
        + varint(header.width)
        + varint(header.height)
        + _CHANNELS.pack(header.channels)
        + payload
    )
    return body + _CHECKSUM.pack(zlib.crc32(body))


def unpack(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[Header, bytes]:
    """Split the bytes of a file into header and payload.

    Raises:
        FormatError: `data` is no .dfm file, is damaged, was made by a newer version, or declares more than
            `max_pixels` pixels.
    """
    body = _check(bytes(data))
    _, _, codec = _PREFIX.unpack_from(body)
    width, at = read_varint(body, _PREFIX.size)
    height, at = read_varint(body, at)
    if at == len(body):
        raise FormatError(f"the .dfm file ends inside its header; {_AGAIN}")
    (channels,) = _CHANNELS.unpack_from(body, at)
    header = Header(codec=codec.decode("latin-1"), width=width, height=height, channels=channels)
    if width * height > max_pixels:
        raise FormatError(
            f"the image has {width} x {height} = {width * height} pixels, over the limit of {max_pixels}; "
            f"if you trust the file, allow it with max_pixels={width * height}"
        )
    return header, body[at + _CHANNELS.size :]


def varint(value: int) -> bytes:
    """Write a non-negative integer as LEB128: 7 bits a byte, lowest first, high bit on all but the last."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read the varint of at most 5 bytes at `data[at]`; return its value and the position after it.

    Raises:
        FormatError: the data end inside it, or it is longer than it need be.
    """
    value = 0
    for i, byte in enumerate(data[at : at + 5]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if i and not byte:
                break
            return value, at + i + 1
    raise FormatError(f"byte {at} begins no valid number of the .dfm file; {_AGAIN}")


def _check(data: bytes) -> bytes:
    """Return `data` without its checksum after checking magic, version and checksum, in this order."""
    if not data.startswith(MAGIC):
        raise FormatError(_explain(data))
    body, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if len(body) < _PREFIX.size + 2 + _CHANNELS.size:
        raise FormatError(f"the .dfm file has only {len(data)} bytes; {_AGAIN}")
    intact = _CHECKSUM.unpack(checksum)[0] == zlib.crc32(body)
    version = body[len(MAGIC)]
    if version > VERSION and intact:
        raise FormatError(
            f"the file is in version {version} of its format, not {VERSION} or less; update dfm"
        )
    if version != VERSION or not intact:
        raise FormatError(f"the checksum of the .dfm file does not match; {_AGAIN}")
    return body


def _explain(data: bytes) -> str:
    """Say why `data` do not begin as a .dfm file."""
    if not data:
        return "the file is empty, so it is no .dfm file; get it again"
    if MAGIC.startswith(data):
        return f"the .dfm file has only {len(data)} bytes; {_AGAIN}"
    if data.startswith(_MANGLED):
        return "the .dfm file was changed by a transfer as text; get it again in binary mode"
    return f"this is no .dfm file: it begins with {data[:6]!r}, not {MAGIC!r}; choose a .dfm file"
