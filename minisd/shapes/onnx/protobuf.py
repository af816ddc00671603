"""Protocol Buffers' wire format: a message as its numbered fields, read without a description of their meaning.

A field is a varint, 8 * number + type, and a value:

    type 0   a varint: seven bits a byte, the lowest first; the top bit says that another byte follows
    type 1   8 bytes
    type 2   a length as a varint, and so many bytes: text, another message, or many numbers "packed" together
    type 5   4 bytes

Types 3 and 4, groups, are long out of use and are refused. A value's bytes are not copied, only pointed at.
Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST_FIELDS = 200_000
_LONGEST_VARINT = 10  # bytes: 64 bits in sevens
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5

Value = int | memoryview


class WireError(ValueError):
    """The bytes are no message."""


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The fields of a message in their order: number, and a varint as int from 0 to 2^64 - 1, all else as bytes.

    Raises:
        WireError: the bytes are no message, or one of more than 200,000 fields.

    >>> [(number, value if isinstance(value, int) else bytes(value)) for number, value in fields(memoryview(
    ...     b"\\x08\\x96\\x01\\x12\\x03abc"))]
    [(1, 150), (2, b'abc')]
    """
    at, count = 0, 0
    while at < len(message):
        count += 1
        if count > MOST_FIELDS:
            raise WireError(f"a message of more than {MOST_FIELDS:,} fields is not read")
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if number == 0 or number >= 1 << 29:
            raise WireError(f"there is no field number {number}")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise WireError(f"field {number} is of type {kind}, which is none of 0, 1, 2 and 5")
        if length > len(message) - at:
            raise WireError(f"field {number} ends {length - (len(message) - at):,} bytes behind its message's end")
        yield number, message[at : at + length]
        at += length


def bytes_of(value: Value) -> memoryview:
    """The value of a field that has bytes. Raises WireError where it is a number."""
    if isinstance(value, int):
        raise WireError(f"the number {value} stands where bytes should")
    return value


def text(value: Value) -> str:
    """The value of a field that has text, UTF-8; what is none becomes question marks."""
    return bytes(bytes_of(value)).decode("utf-8", "replace")


def integers(value: Value) -> Iterator[int]:
    """The value of a field that has whole numbers, one or many packed; above 2^63 - 1 they mean negative ones.

    >>> list(integers(3)), list(integers(2**64 - 1)), list(integers(memoryview(b"\\x01\\x96\\x01")))
    ([3], [-1], [1, 150])
    """
    if isinstance(value, int):
        yield _signed(value)
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield _signed(number)


def integer(value: Value) -> int:
    """The value of a field that has one whole number."""
    if not isinstance(value, int):
        raise WireError(f"{len(value)} bytes stand where a number should")
    return _signed(value)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and where the next thing begins."""
    number = 0
    for place, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if number >= 1 << 64:
                raise WireError("a number of more than 64 bits")
            return number, at + place + 1
    cut = at + _LONGEST_VARINT > len(message)
    raise WireError("it ends in the middle of a number" if cut else "a number has no end")
