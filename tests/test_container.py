import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfm import container
from dfm.container import FormatError, Header

HEADER = Header(codec="coor", width=768, height=512, channels=3)
FILE = container.pack(HEADER, b"payload")

headers = st.builds(
    Header,
    codec=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=4, max_size=4),
    width=st.integers(1, container.MAX_SIDE),
    height=st.integers(1, container.MAX_SIDE),
    channels=st.integers(1, 4),
)


def seal(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def sealed_header(rest: bytes) -> bytes:
    return seal(b"\x89dfm\r\n\x01coor" + rest)


@given(headers, st.binary())
def test_unpack_inverts_pack(header, payload):
    assert container.unpack(container.pack(header, payload), max_pixels=2**62) == (header, payload)


def test_layout_is_the_documented_one():
    body = b"\x89dfm\r\n" + b"\x01" + b"coor" + b"\x80\x06" + b"\x80\x04" + b"\x03" + b"payload"
    assert seal(body) == FILE


@given(headers)
def test_overhead_is_at_most_24_bytes(header):
    assert len(container.pack(header, b"")) <= 24


@given(st.integers(0, 2**35 - 1), st.binary())
def test_read_varint_inverts_varint(value, rest):
    data = container.varint(value)
    assert container.read_varint(data + rest, 0) == (value, len(data))
    assert len(data) == max(1, -(-value.bit_length() // 7))


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80\x00", b"\x81\x80\x00", b"\x80" * 5 + b"\x01", b"\xff" * 9]
)
def test_cut_overlong_and_padded_varints_raise(data):
    with pytest.raises(FormatError, match="byte 0 begins no valid number"):
        container.read_varint(data, 0)


@pytest.mark.parametrize("length", range(len(FILE)))
def test_every_cut_raises(length):
    with pytest.raises(FormatError, match="get it again"):
        container.unpack(FILE[:length])


@given(st.binary(min_size=1))
def test_every_extension_raises(extra):
    with pytest.raises(FormatError, match="get it again"):
        container.unpack(FILE + extra)


@pytest.mark.parametrize("bit", range(8 * len(FILE)))
def test_every_flipped_bit_raises(bit):
    flipped = bytearray(FILE)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FormatError):
        container.unpack(bytes(flipped))


@given(st.binary())
def test_arbitrary_bytes_raise_one_line(data):
    with pytest.raises(FormatError) as caught:
        container.unpack(data)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=40))
def test_arbitrary_headers_under_a_valid_checksum_parse_or_raise(rest):
    with contextlib.suppress(FormatError):
        header, payload = container.unpack(sealed_header(rest))
        assert container.pack(header, payload) == sealed_header(rest)


@pytest.mark.parametrize(
    ("mangle", "reason"),
    [
        (lambda d: d.replace(b"\r\n", b"\n"), "transfer as text"),
        (lambda d: d.replace(b"\n", b"\r\n"), "transfer as text"),
        (lambda d: d.replace(b"\r\n", b"\r"), "transfer as text"),
        (lambda d: bytes(b & 0x7F for b in d), "transfer as text"),
        (lambda d: d.decode("latin-1").encode("utf-8"), "transfer as text"),
        (lambda d: d.decode("utf-8", "replace").encode("utf-8"), "transfer as text"),
        (lambda d: d.decode("ascii", "replace").encode("ascii", "replace"), "transfer as text"),
        (lambda d: b"", "empty"),
        (lambda d: b"\xff\xd8\xff\xe0 a photo", "choose a .dfm file"),
        (lambda d: seal(b"\x89dfm\r\n\x02" + d[7:-4]), "version 2 .* update dfm"),
        (lambda d: seal(b"\x89dfm\r\n\x00" + d[7:-4]), "get it again"),
        (lambda d: b"\x89dfm\r\n\x02" + d[7:], "get it again"),
        (lambda d: sealed_header(b"\x00\x01\x03"), "0 x 1"),
        (lambda d: sealed_header(b"\x01\x00\x03"), "1 x 0"),
        (lambda d: sealed_header(b"\x01\x01\x00"), "channels is 0"),
        (lambda d: sealed_header(b"\x01\x01\x05"), "channels is 5"),
        (lambda d: sealed_header(b"\x80\x00\x01\x03"), "no valid number"),
        (lambda d: sealed_header(b"\xff\xff\xff\xff\x7f\x01\x03"), "allowed is 1 to"),
        (lambda d: sealed_header(b"\x81\x01\x81\x01"), "ends inside its header"),
        (lambda d: seal(b"\x89dfm\r\n\x01COOR\x01\x01\x03"), "codec"),
        (lambda d: seal(b"\x89dfm\r\n\x01co\xf6r\x01\x01\x03"), "codec"),
    ],
)
def test_message_names_the_problem(mangle, reason):
    with pytest.raises(FormatError, match=reason):
        container.unpack(mangle(FILE))


def test_more_pixels_than_the_limit_raise_and_can_be_allowed():
    data = container.pack(Header(codec="coor", width=2**16, height=2**12, channels=4), b"")
    with pytest.raises(FormatError, match="max_pixels=268435456"):
        container.unpack(data)
    assert container.unpack(data, max_pixels=2**28)[0].width == 2**16
    with pytest.raises(FormatError):
        container.unpack(data, max_pixels=2**28 - 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"codec": "coord"},
        {"codec": "Coor"},
        {"codec": "coo\n"},
        {"width": 0},
        {"height": 2**28},
        {"channels": 5},
    ],
)
def test_headers_out_of_range_raise(fields):
    with pytest.raises(FormatError):
        Header(**{"codec": "coor", "width": 1, "height": 1, "channels": 1} | fields)
