"""One small sound source for each kind and format, of which one file is then damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.testing.sounds import chirp, wav

from .annotated import coco, png, put, rectangle, square, task, voc
from .conftest import picture
from .packing import idx_of, tar_of, zip_of

CHILD = Path(__file__).with_name("damage_child.py")
Job = dict[str, Any]
"""What :mod:`damage_child` takes, but for ``form``, a name, and ``damages``."""


def job(root: Path, kind: str, location: str, file: str, **more: Any) -> Job:
    """Return a job; ``names`` are what an error may call the file: its own name, or that of what holds it."""
    name = Path(file).name
    given = {"input": "image", "output": "category", "label": None, "options": {}, "names": [name]} | more
    return {"kind": kind, "location": location, "file": file, "root": str(root), **given}


def outcomes(tmp_path: Path, jobs: list[Job]) -> tuple[list[dict[str, Any]], str]:
    """Run the child over jobs; return what came of each damage, and how the child ended, if it was ended."""
    (tmp_path / "jobs.json").write_text(json.dumps(jobs), "utf-8")
    done = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path / "jobs.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    last = lines[-1] if lines else {}
    ended = "" if done.returncode == 0 else f"exit status {done.returncode} at {last}: {done.stderr[-2000:]}"
    return [line for line in lines if "ended" in line], ended


def _folder(name: str, data: Callable[[], bytes], modality: str = "image") -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        put(root, {f"data/a/{name}": data(), "data/b/other.txt": "words and words"})
        return job(root, "folder", "data", f"data/a/{name}", input=modality)

    return made


def _sound(kind: str, subtype: str | None = None) -> Callable[[], bytes]:
    def made() -> bytes:
        import soundfile

        out = io.BytesIO()
        soundfile.write(out, chirp(0.5), 16_000, format=kind, subtype=subtype)
        return out.getvalue()

    return made


_ROWS = 40


def _csv(between: str = ",", end: str = "\n") -> str:
    rows = [f"{n}{between}{n / 7:.3f}{between}word {n % 5}{between}{'pq'[n % 2]}" for n in range(_ROWS)]
    return end.join([between.join("abcy"), *rows, ""])


def _jsonl() -> str:
    return "".join(
        json.dumps({"a": n, "b": n / 7, "c": [f"w{n}"], "d": "é", "y": "pq"[n % 2]}) + "\n" for n in range(_ROWS)
    )


def _arrow_table() -> Any:
    import pyarrow as pa

    numbers = list(range(_ROWS))
    columns = {"a": numbers, "b": [n / 7 for n in numbers], "c": [f"word {n % 5}" for n in numbers]}
    return pa.table({**columns, "l": [["x", "y"]] * _ROWS, "y": ["pq"[n % 2] for n in numbers]})


def _parquet(compression: str) -> Callable[[], bytes]:
    def made() -> bytes:
        from pyarrow import parquet

        out = io.BytesIO()
        parquet.write_table(_arrow_table(), out, compression=compression, row_group_size=16)
        return out.getvalue()

    return made


def _arrow(compression: str | None, *, stream: bool) -> Callable[[], bytes]:
    def made() -> bytes:
        from pyarrow import ipc

        out = io.BytesIO()
        table = _arrow_table()
        options = ipc.IpcWriteOptions(compression=compression)
        with (ipc.new_stream if stream else ipc.new_file)(out, table.schema, options=options) as writer:
            writer.write_table(table)
        return out.getvalue()

    return made


def excel() -> bytes:
    """A workbook with the small table."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in csv_rows():
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def csv_rows() -> list[list[Any]]:
    """Return the header and the rows of the small table."""
    return [["a", "b", "c", "y"], *([n, n / 7, f"word {n % 5}", "pq"[n % 2]] for n in range(_ROWS))]


def _table(name: str, data: Callable[[], bytes | str]) -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        put(root, {name: data()})
        return job(root, "table", name, name, input="table", label="y")

    return made


def _members() -> dict[str, bytes]:
    return {f"top/{'ab'[n % 2]}/{n}.png": png(square(n, n, 9)) for n in range(6)}


def _archive(name: str, mode: str) -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        if mode == "zip":
            zip_of(root / name, _members())
        else:
            tar_of(root / name, _members(), mode)
        return job(root, "archive", name, name)

    return made


def _packed_tables(root: Path) -> Job:
    zip_of(root / "tables.zip", {"a.csv": _csv().encode(), "b.parquet": _parquet("snappy")()}, zipfile.ZIP_DEFLATED)
    return job(root, "table", "tables.zip", "tables.zip", input="table", label="y")


def _arrays(name: str) -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        pixels = np.random.default_rng(0).integers(0, 255, (8, 9, 7), np.uint8)
        labels = np.arange(8, dtype=np.uint8) % 3
        idx_of(root / "labels", labels)
        options: dict[str, Any] = {"labels": "labels"}
        if name.endswith(".npz"):
            np.savez_compressed(root / name, images=pixels, labels=labels)
            options = {}
        elif name.endswith(".npy"):
            np.save(root / name, pixels)
        else:
            idx_of(root / name, pixels)
            if name.endswith((".bz2", ".xz")):
                raw = (root / name).read_bytes()
                (root / name).write_bytes(bz2.compress(raw) if name.endswith("bz2") else lzma.compress(raw))
        return job(root, "arrays", name, name, options=options)

    return made


def _labels_of_arrays(root: Path) -> Job:
    found = _arrays("images")(root)
    return found | {"file": "labels", "names": ["labels", "images"]}


def _manifest(name: str) -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        put(root / "data", {f"{n}.png": png(square(n, n, 9)) for n in range(4)})
        rows = [{"file_name": f"{n}.png", "label": "ab"[n % 2]} for n in range(4)]
        if name.endswith(".jsonl"):
            put(root / "data", {name: "".join(json.dumps(row) + "\n" for row in rows)})
        elif name.endswith(".csv"):
            lines = [f"{row['file_name']},{row['label']}\n" for row in rows]
            put(root / "data", {name: "file_name,label\n" + "".join(lines)})
        else:
            import pyarrow as pa
            from pyarrow import parquet

            images = [{"bytes": png(square(n, n, 9)), "path": None} for n in range(4)]
            parquet.write_table(pa.table({"image": images, "label": ["a", "b"] * 2}), root / "data" / name)
        return job(root, "manifest", f"data/{name}", f"data/{name}")

    return made


def _coco(root: Path) -> Job:
    images = [{"id": n, "file_name": f"{n}.png", "width": 96, "height": 80} for n in range(4)]
    notes = [
        {
            "id": n,
            "image_id": n % 4,
            "category_id": 1 + n % 2,
            "bbox": [1, 2, 30, 40 + n],
            "segmentation": [[1, 2, 30, 2, 30, 40, 1, 40]] if n % 3 else {"size": [80, 96], "counts": [10, 90, 7580]},
        }
        for n in range(12)
    ]
    put(root / "data", {"notes.json": coco(images, notes, ["cat", "dog"])})
    put(root / "data", {f"{n}.png": png(square(n, n, 9)) for n in range(4)})
    return job(root, "coco", "data", "data/notes.json", output="mask", names=["notes.json", "data"])


def _voc(root: Path) -> Job:
    put(root / "data", {"1.xml": voc([("cat", (1, 2, 30, 40)), ("dog", (5, 5, 50, 60))], "1.png")})
    put(root / "data", {"2.xml": voc([("cat", (1, 2, 30, 40))], "2.png")})
    put(root / "data", {f"{n}.png": png(square(n, n, 9)) for n in (1, 2)})
    return job(root, "voc", "data", "data/1.xml", output="boxes")


def _yolo(root: Path) -> Job:
    put(root / "data", {"1.txt": "0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.2 0.1 0.2 0.3\n", "classes.txt": "cat\ndog\n"})
    put(root / "data", {f"{n}.png": png(square(n, n, 9)) for n in (1, 2)} | {"2.txt": "0 0.5 0.5 0.25 0.5\n"})
    return job(root, "yolo", "data", "data/1.txt", output="boxes")


def _yolo_names(root: Path) -> Job:
    found = _yolo(root)
    put(root / "data", {"data.yaml": "path: .\nnames: {0: cat, 1: dog}\nnc: 2\n"})
    return found | {"file": "data/data.yaml", "names": ["data.yaml"]}


def _pairs(root: Path) -> Job:
    put(root / "data", {f"images/{n}.jpg": picture(n) for n in range(4)})
    put(root / "data", {f"masks/{n}.png": png(square(3, 4, 20)) for n in range(4)})
    return job(root, "pairs", "data", "data/masks/1.png", output="mask")


def _labelstudio(root: Path) -> Job:
    ring = {"points": [[1, 2], [30, 2], [30, 40]], "polygonlabels": ["dog"]}
    polygon = {"type": "polygonlabels", "original_width": 96, "original_height": 80, "value": ring}
    tasks = [task(f"files/{n}.png", [rectangle("cat", 10, 20, 30, 40 + n), polygon]) for n in range(4)]
    put(root / "data", {"export.json": json.dumps(tasks)} | {f"files/{n}.png": png(square(n, n, 9)) for n in range(4)})
    return job(root, "labelstudio", "data", "data/export.json", output="boxes", names=["export.json", "data"])


def _sqlite(root: Path) -> Job:
    with closing(sqlite3.connect(root / "data.db")) as database, database:
        database.execute("CREATE TABLE t (a INTEGER, b TEXT, y TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, "word " * n, "pq"[n % 2]) for n in range(200)])
    options = {"query": "SELECT * FROM t ORDER BY a"}
    return job(root, "sql", "sqlite:///data.db", "data.db", input="table", label="y", options=options)


def _series(name: str, data: Callable[[], bytes | str]) -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        put(root, {name: data()})
        return job(root, "series", name, name, input="series", label="y", options={"window": 10})

    return made


def _series_csv() -> str:
    rows = [f"2026-03-01 {n // 60:02}:{n % 60:02}:00,{n / 7:.3f},{n % 5},{'pq'[n // 20 % 2]}" for n in range(60)]
    return "\n".join(["time,flow,heat,y", *rows, ""])


def _series_json(root: Path) -> Job:
    put(root, {"data/a/1.csv": _series_csv(), "data/b/2.csv": _series_csv()})
    return job(root, "series", "data", "data/a/1.csv", input="series")


def _log(root: Path) -> Job:
    from modelwright.store import Store

    from .recorded import answer

    store = Store.open(root / "store")
    answer(store, [picture(n) for n in range(6)], "apple", 0.9)
    (segment,) = (root / "store" / "logs" / "server").glob("*.wal")
    file = str(segment.relative_to(root))
    return job(root, "log", "server", file, options={"labels": "all"}, names=[segment.name, "server"])


def _video(name: str) -> Callable[[Path], Job]:
    def made(root: Path) -> Job:
        pytest.importorskip("cv2")
        from .filming import film

        (root / "films").mkdir(parents=True)
        film(root / "films" / name, 12)
        return job(root, "video", "films", f"films/{name}", options={"every": "200ms"})

    return made


def _text(encoding: str) -> Callable[[], bytes]:
    return lambda: ("Grüße aus dem Süden, здравствуй мир, 你好\r\nand a second line\n" * 5).encode(encoding)


FORMS: dict[str, Callable[[Path], Job]] = {
    **{
        f"image {kind}": _folder(f"x.{kind.lower()}", lambda kind=kind: picture(1, kind=kind))  # type: ignore[misc]
        for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
    },
    "audio wav": _folder("x.wav", lambda: wav(chirp(0.5)), "audio"),
    "audio flac": _folder("x.flac", _sound("FLAC"), "audio"),
    "audio vorbis": _folder("x.ogg", _sound("OGG", "VORBIS"), "audio"),
    "audio opus": _folder("x.opus", _sound("OGG", "OPUS"), "audio"),
    "audio mp3": _folder("x.mp3", _sound("MP3"), "audio"),
    "audio aiff": _folder("x.aiff", _sound("AIFF"), "audio"),
    "text utf-8": _folder("x.txt", _text("utf-8"), "text"),
    "text utf-16": _folder("x.txt", _text("utf-16"), "text"),
    "text utf-16 without a mark": _folder("x.txt", _text("utf-16-le"), "text"),
    "table csv": _table("x.csv", _csv),
    "table csv utf-16": _table("x.csv", lambda: _csv().encode("utf-16")),
    "table tsv": _table("x.tsv", lambda: _csv("\t", "\r\n")),
    "table csv.gz": _table("x.csv.gz", lambda: gzip.compress(_csv().encode(), mtime=0)),
    "table jsonl": _table("x.jsonl", _jsonl),
    "table jsonl.gz": _table("x.jsonl.gz", lambda: gzip.compress(_jsonl().encode(), mtime=0)),
    "table parquet snappy": _table("x.parquet", _parquet("snappy")),
    "table parquet zstd": _table("x.parquet", _parquet("zstd")),
    "table parquet plain": _table("x.parquet", _parquet("none")),
    "table arrow": _table("x.arrow", _arrow(None, stream=False)),
    "table arrow zstd": _table("x.arrow", _arrow("zstd", stream=False)),
    "table arrow stream": _table("x.arrow", _arrow(None, stream=True)),
    "table xlsx": _table("x.xlsx", excel),
    "tables in a zip": _packed_tables,
    "archive zip": _archive("x.zip", "zip"),
    "archive tar": _archive("x.tar", "w"),
    "archive tar.gz": _archive("x.tar.gz", "w:gz"),
    "archive tar.bz2": _archive("x.tar.bz2", "w:bz2"),
    "archive tar.xz": _archive("x.tar.xz", "w:xz"),
    "arrays idx": _arrays("images"),
    "arrays idx.gz": _arrays("images.gz"),
    "arrays idx.xz": _arrays("images.xz"),
    "arrays npy": _arrays("x.npy"),
    "arrays npz": _arrays("x.npz"),
    "arrays labels": _labels_of_arrays,
    "manifest csv": _manifest("list.csv"),
    "manifest jsonl": _manifest("list.jsonl"),
    "manifest parquet": _manifest("list.parquet"),
    "coco": _coco,
    "voc": _voc,
    "yolo": _yolo,
    "yolo names": _yolo_names,
    "pairs": _pairs,
    "labelstudio": _labelstudio,
    "sql sqlite": _sqlite,
    "series csv": _series("x.csv", _series_csv),
    "series parquet": _series("x.parquet", _parquet("snappy")),
    "series files": _series_json,
    "log": _log,
    "video avi": _video("x.avi"),
    "video mp4": _video("x.mp4"),
    "video mkv": _video("x.mkv"),
}
"""Each kind and format by name: writes a sound source to a folder, and returns what to read and what to damage."""
