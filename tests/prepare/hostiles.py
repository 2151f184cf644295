"""Files that were made to do harm: small ones that are large inside, headers that lie, names that lead elsewhere."""

from __future__ import annotations

import io
import json
import os
import socket
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterable
from contextlib import chdir, closing
from pathlib import Path

import numpy as np

from . import damages
from .annotated import png, put, rectangle, square, task
from .damages import FORMS, Job, job
from .packing import idx_of, zip_of

HUGE = int("1" * 400)
"""A whole number that no float can be."""
_SHEET = (
    b'<?xml version="1.0"?>%b<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
_HEADER = b'<row r="1"><c t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><t>y</t></is></c></row>'
_END = b"</sheetData></worksheet>"


def workbook(root: Path, rows: Iterable[bytes], declared: bytes = b"") -> Job:
    """A workbook whose sheet holds these rows, as they are."""
    with zipfile.ZipFile(root / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        with zipfile.ZipFile(io.BytesIO(damages.excel())) as sound:
            for name in sound.namelist():
                if "sheet1" not in name:
                    book.writestr(name, sound.read(name))
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.writelines([_SHEET % declared, _HEADER, *rows, _END])
    return job(root, "table", "x.xlsx", "x.xlsx", input="table", label="y")


def table(root: Path, name: str, data: bytes | str) -> Job:
    put(root, {name: data})
    return job(root, "table", name, name, input="table", label="y")


def xlsx_far_cell(root: Path) -> Job:
    row = b'<row r="2"><c><v>1</v></c><c><v>2</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return workbook(root, [row])


def xlsx_row_of_cells(root: Path) -> Job:
    return workbook(root, [b"<row>", b"<c><v>1</v></c>" * 100_000, b"</row>"])


def xlsx_rows(root: Path) -> Job:
    return workbook(root, [b"<row><c><v>1</v></c><c><v>2</v></c></row>" * 10_000] * 100)


def xlsx_long_text(root: Path) -> Job:
    return workbook(root, [b'<row><c t="inlineStr"><is><t>', b"x" * (2 << 20), b"</t></is></c></row>"])


def xlsx_entities(root: Path) -> Job:
    kinds = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    return workbook(root, [b'<row><c t="inlineStr"><is><t>&b;</t></is></c></row>'], kinds)


def xlsx_outside_entity(root: Path) -> Job:
    kinds = b'<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    return workbook(root, [b'<row><c t="inlineStr"><is><t>&a;</t></is></c></row>'], kinds)


def xlsx_deep(root: Path) -> Job:
    return workbook(root, [b"<c>" * 100_000])


def flac_of_hours(root: Path) -> Job:
    import soundfile

    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", 48_000, 1, format="FLAC") as file:
        for _ in range(11):
            file.write(np.zeros((48_000 * 60, 1), np.int16))
    put(root, {"data/a/x.flac": out.getvalue()})
    return job(root, "folder", "data", "data/a/x.flac", input="audio")


def flac_that_claims_years(root: Path) -> Job:
    made = FORMS["audio flac"](root)
    data = bytearray((root / made["file"]).read_bytes())
    data[21] |= 0x0F  # STREAMINFO (RFC 9639, 8.2): 36 bits of samples
    data[22:26] = b"\xff" * 4
    put(root, {made["file"]: bytes(data)})
    return made


def line_in_utf_16(root: Path) -> Job:
    return table(root, "x.csv", ("a,y\n1,p\n" + "x" * (20 << 20) + ",p\n2,q\n").encode("utf-16"))


def parquet_page_that_lies(root: Path) -> Job:
    """A page that unpacks to 300 MB, in a file whose footer says that all its pages take a few bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    held = pa.table({"a": ["a" * (1 << 20)] * 300, "y": ["p", "q"] * 150})
    options = {"compression": "zstd", "use_dictionary": False, "write_statistics": False, "data_page_size": 1 << 30}
    parquet.write_table(held, root / "x.parquet", **options)
    chunk = parquet.ParquetFile(root / "x.parquet").metadata.row_group(0).column(0)
    data = (root / "x.parquet").read_bytes()
    said, small = varint(2 * chunk.total_uncompressed_size), bytearray()
    for number in range(len(said)):
        small.append(0x80 if number < len(said) - 1 else 0)
    small[0] |= 100
    at = data.rindex(said)
    put(root, {"x.parquet": data[:at] + bytes(small) + data[at + len(said) :]})
    return job(root, "table", "x.parquet", "x.parquet", input="table", label="y")


def varint(number: int) -> bytes:
    """A number as Thrift's compact protocol writes it."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])


def jsonl_nested(root: Path) -> Job:
    return table(root, "x.jsonl", b'{"a":' + b"[" * 1_000_000 + b'\n{"a":1,"y":"p"}\n{"a":2,"y":"q"}\n')


def coco_of_odd_values(root: Path) -> Job:
    made = FORMS["coco"](root)
    found = json.loads((root / made["file"]).read_text("utf-8"))
    boxes = [
        [HUGE, 1, 2, 3],
        [float("nan"), 1, 2, float("inf")],
        [50, 50, -10, -20],
        [-5e6, 0, 1e7, 1e7],
        "box",
        [1, 2],
    ]
    for note, box in zip(found["annotations"], boxes, strict=False):
        note |= {"bbox": box, "segmentation": None}
    found["images"][0]["width"], found["images"][1]["width"] = HUGE, float("nan")
    outlines = [
        {"size": [80, 96], "counts": [HUGE]},
        {"size": [HUGE, 9], "counts": "00"},
        {"size": [80, 96], "counts": "`" * 99},
    ]
    for note, outline in zip(found["annotations"][6:], outlines, strict=False):
        note["segmentation"] = outline
    found["annotations"] += [{"id": "\udc80", "image_id": "\ud800", "category_id": 1, "bbox": [1, 1, 1, 1]}]
    found["categories"][0]["name"] = "c\ud800t"
    put(root, {made["file"]: json.dumps(found)})
    return made


def coco_nested(root: Path) -> Job:
    made = FORMS["coco"](root)
    text = (root / made["file"]).read_text("utf-8")
    put(root, {made["file"]: text.removesuffix("}") + ', "more": ' + "[" * 1_000_000})
    return made


def coco_of_blanks(root: Path) -> Job:
    made = FORMS["coco"](root)
    text = (root / made["file"]).read_bytes()
    put(root, {made["file"]: text[:-1] + b" " * (250 << 20) + text[-1:]})
    return made


def labelstudio_of_odd_values(root: Path) -> Job:
    made = FORMS["labelstudio"](root)
    places = [
        (-10, -10, 5, 5), (90, 90, 50, 50), (10, 10, -5, -5), (float("nan"), 1, 1, 1), (float("inf"), 1, 1, 1),
        (HUGE, 1, 1, 1), ("x", 1, 1, 1), (None, 1, 1, 1), (1e300, 1, 1, 1), (150, 250, 10, 10),
    ]  # fmt: skip
    tasks = [task(f"files/{n}.png", [rectangle("cat", *place)]) for n, place in enumerate(places)]  # type: ignore[arg-type]
    tasks[1]["annotations"][0]["result"][0]["original_width"] = HUGE
    tasks[9]["annotations"][0]["result"][0]["value"]["rotation"] = HUGE
    names = ("files/\ud800.png", "../../../etc/passwd", "http://[::1", "a\nb.png", "\x00", "C:\\x\\9.png")
    tasks.extend(task(name, []) for name in names)
    put(root / "data", {f"files/{n}.png": png(square(n, n, 9)) for n in range(len(places))})
    put(root, {made["file"]: json.dumps(tasks)})
    return made


def labelstudio_nested(root: Path) -> Job:
    made = FORMS["labelstudio"](root)
    put(root, {made["file"]: "[" * 1_000_000})
    return made


def yolo_of_odd_values(root: Path) -> Job:
    made = FORMS["yolo"](root)
    lines = ["nan 1 1 1 1", "inf 1 1 1 1", "-1 .5 .5 .1 .1", "0 nan .5 .1 .1", "0 .5 inf .1 .1", "0 1e308 .5 .1 .1"]
    lines += ["1e400 .5 .5 .1 .1", "9" * 5000 + " 1 1 1 1", "0 " + "0.1 " * 200_001, "0 .5 .5 -1 -1", "0 .5 .5 .1 .1"]
    put(root, {made["file"]: "\r\n".join(lines)})
    return made


def yolo_names_without_end(root: Path) -> Job:
    made = FORMS["yolo names"](root)
    steps = "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12))
    put(root, {made["file"]: "a: &a [x,x,x,x,x,x,x,x,x]\n" + steps + "names: *m\n"})
    return made


def numpy_with(header: bytes, version: bytes = b"\x01\x00", length: int | None = None) -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        idx_of(root / "labels", np.arange(8, dtype=np.uint8))
        said = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header) if length is None else length)
        put(root, {"x.npy": b"\x93NUMPY" + version + said + header + bytes(100)})
        return job(root, "arrays", "x.npy", "x.npy", options={"labels": "labels"}, names=["x.npy", "labels"])

    return made


def _said(kind: str, shape: str) -> bytes:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"


def tar_of_odd_members(root: Path) -> Job:
    long = b"5010 path=" + b"x" * 4999 + b"\n"
    parts = [
        header(b"a/1"), header(b"a/2", kind=b"S"),
        header(b"a/4", kind=b"1", size=0), header(b"a/5", kind=b"3", size=0), header(b"a/6", kind=b"6", size=0),
        header(b"../a/7"), header(b"pax", len(long), b"x", long), header(b"a/8"), header(b"a/9"),
    ]  # fmt: skip
    put(root, {"x.tar": b"".join(parts) + bytes(1024)})
    return job(root, "archive", "x.tar", "x.tar", names=["x.tar"])


def tar_that_says_gigabytes(root: Path) -> Job:
    put(root, {"x.tar": header(b"a/1") + header(b"pax", 1 << 30, b"x", b"") + b"y" * 2000})
    return job(root, "archive", "x.tar", "x.tar")


def header(name: bytes, size: int = 4, kind: bytes = b"0", data: bytes = b"data") -> bytes:
    """A member of a TAR archive."""
    made = bytearray(512)
    made[: len(name)] = name
    made[100:108] = made[108:116] = made[116:124] = b"0000644\0"
    made[124:136], made[136:148] = b"%011o\0" % size, b"00000000000\0"
    made[148:157], made[257:265] = b" " * 8 + kind, b"ustar\x0000"
    made[148:156] = b"%06o\0 " % sum(made)
    data = data if size else b""
    return bytes(made) + data + bytes(-len(data) % 512)


def zip_in_itself(root: Path) -> Job:
    inner = zip_of(root / "inner.zip", {"a/1.png": png(square(1, 1, 9))}).read_bytes()
    zip_of(root / "x.zip", {"a/in.zip": inner, "a/in.jpg": inner, "a/1.png": png(square(1, 1, 9))})
    return job(root, "archive", "x.zip", "x.zip")


def zip_that_says_gigabytes(root: Path) -> Job:
    zip_of(root / "x.zip", {f"a/{n}.png": bytes(50_000) for n in range(3)})
    data = bytearray((root / "x.zip").read_bytes())
    struct.pack_into("<I", data, data.rindex(b"a/1.png") - 22, 0xFFFFFFF0)
    put(root, {"x.zip": bytes(data)})
    return job(root, "archive", "x.zip", "x.zip")


def folder_of_odd_names(root: Path) -> Job:
    folder = root / "data/a"
    folder.mkdir(parents=True)
    names = [b"x" * 251 + b".png", b"new\nline.png", b"caf\xe9.png", "\u202egnp.exe.png".encode(), b"\x1b[31m.png"]
    names += [b"a\\b.png", b"CON.png", b"bytes:x.png", b"%2e%2e.png", b"-rf.png", b"\xed\xa0\x80.png", b"=1+1.png"]
    for number, name in enumerate(names):
        (folder / os.fsdecode(name)).write_bytes(png(square(number, number, 9)))
    os.mkfifo(folder / "fifo.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "up").symlink_to("..")
    (folder / "zero.png").symlink_to("/dev/zero")
    with chdir(folder), socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.png")
    put(root, {"data/b/1.png": png(square(1, 1, 9))})
    return job(root, "folder", "data", "data/b/1.png")


def folder_without_end(root: Path) -> Job:
    put(root, {"data/b/1.png": png(square(1, 1, 9))})
    with chdir(root / "data"):
        for _ in range(2100):
            Path("d").mkdir()
            os.chdir("d")
    return job(root, "folder", "data", "data/b/1.png", names=["d"])


def manifest_that_leads_elsewhere(root: Path) -> Job:
    made = FORMS["manifest jsonl"](root)
    os.mkfifo(root / "data/fifo.png")
    (root / "data/loop").symlink_to("loop")
    names = ["../x", "/etc/passwd", "C:\\x.png", "C:/x.png", "a/../../x", "fifo.png", "loop", "loop/x", "\ud800.png"]
    names += ["a\0b.png", "x" * 300, "x/" * 5000, "..\\x.png", "//etc/passwd", "bytes:%2e%2e/x", "bytes:%00", ".", ""]
    rows: list[dict[str, object]] = [{"file_name": name, "label": "a"} for name in names]
    rows += [{"file_name": f"{n}.png", "label": label} for n, label in enumerate([float("inf"), float("nan"), "b"])]
    put(root, {made["file"]: "".join(json.dumps(row) + "\n" for row in rows)})
    return made


def database_of_nothing(root: Path) -> Job:
    with closing(sqlite3.connect(root / "x.db")) as database, database:
        database.execute("CREATE VIEW t AS SELECT 1 AS a, hex(zeroblob(400000000)) AS b, 'p' AS y")
    options = {"query": "SELECT * FROM t"}
    return job(root, "sql", "sqlite:///x.db", "x.db", input="table", label="y", options=options)


def database_without_end(root: Path) -> Job:
    with closing(sqlite3.connect(root / "x.db")) as database, database:
        endless = "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT a, 'p' AS y FROM n"
        database.execute(f"CREATE VIEW t AS {endless}")
    options = {"query": "SELECT * FROM t"}
    return job(root, "sql", "sqlite:///x.db", "x.db", input="table", label="y", options=options)


def series_of_odd_times(root: Path) -> Job:
    cells = ["2026-01-01 00:00:00", "2026-01-01 00:00:00", "", "NaN", "1970-01-01", "9999-12-31", "2026-13-45"]
    rows = [f"{cell},{number},p" for number, cell in enumerate(cells)] + ["2026-01-02 00:00:00,inf,p"]
    rows += [f"2026-01-02 00:00:{second:02},{second},p" for second in range(1, 50)]
    put(root, {"x.csv": "\n".join(["time,flow,y", *rows, ""])})
    return job(root, "series", "x.csv", "x.csv", input="series", label="y", options={"window": 5})


def csv_of_quotations(root: Path) -> Job:
    return table(root, "x.csv", "a,y\n" + "1,p\n2,q\n" * 200 + 'x"y,"\n' * 40_000)


def csv_of_odd_cells(root: Path) -> Job:
    rows = ["a,y", "=cmd|' /C calc'!A0,p", "+1+1,q", "@SUM(A1),q", "\u202eabc,p", "a\0b,p", "NaN,nan", "inf,inf"]
    data = "\r\n".join(rows + [f"w{n},p" for n in range(20)]).encode() + b"\n\xed\xa0\x80,p\n1,p\r2,q\nlast,p"
    return table(root, "x.csv", data)
