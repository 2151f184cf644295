"""H.264 written bit by bit (ITU-T H.264, 7.3): a picture without detail, then frames that say nothing at all."""

from __future__ import annotations


class Bits:
    """A row of bits."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def add(self, *fields: tuple[int, int] | int | str) -> Bits:
        """Append numbers of so many bits, numbers in Exp-Golomb code (9.1), and bits as they are."""
        for field in fields:
            if isinstance(field, str):
                self._bits.append(field)
            elif isinstance(field, int):
                code = f"{field + 1:b}"
                self._bits.append("0" * (len(code) - 1) + code)
            else:
                self._bits.append(f"{field[0]:0{field[1]}b}")
        return self

    def unit(self, head: int) -> bytes:
        """Return the bits as a NAL unit, with the bytes that keep start codes apart."""
        bits = "".join(self._bits) + "1"
        bits += "0" * (-len(bits) % 8)
        made = bytearray()
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if byte <= 3 and made[-2:] == b"\0\0":
                made.append(3)
            made.append(byte)
        return b"\0\0\0\1" + bytes([head]) + bytes(made)


def still(columns: int, rows: int, frames: int, *, between: bool = False, size: int = 0) -> bytes:
    """Return a stream of ``frames`` pictures of ``columns`` × ``rows`` blocks of 16 × 16, some 14 bytes each.

    Parameters
    ----------
    between
        Whether pictures lie between two others and are the mean of both, which costs a decoder twice as much.
    size
        Bytes that it is filled up to, with units that mean nothing.
    """
    blocks = columns * rows
    order: tuple[int, ...] = (0, 12) if between else (2,)
    sequence = Bits().add((77 if between else 66, 8), (0, 8), (51, 8), 0, 4, *order, 2 if between else 1, "0")
    sequence.add(columns - 1, rows - 1, "1100")
    made = [sequence.unit(0x67), Bits().add(0, 0, "00", 0, 0, 0, "000", 0, 0, 0, "100").unit(0x68)]
    place = [(0, 16)] if between else []
    made.append(Bits().add(0, 7, 0, (0, 8), 0, *place, "00", 0, 1, "00100111" * blocks).unit(0x65))
    for number in range(1, frames):
        if between and number > 1:
            head = Bits().add(0, 6, 0, (2, 8), (2 * number, 16), "1000")
            made.append(head.add(0, 1, blocks).unit(0x01))
        else:
            place = [(30_000, 16)] if between else []
            head = Bits().add(0, 5, 0, (1 if between else number & 255, 8), *place, "000")
            made.append(head.add(0, 1, blocks).unit(0x61))
    data = b"".join(made)
    filler = b"\0\0\0\1\x0c" + b"\xff" * (size - len(data) - 5)
    return data + filler if size > len(data) else data
