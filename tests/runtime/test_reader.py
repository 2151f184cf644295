"""A package that is not exactly what its maker signed is refused, whatever was done to it."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright import canonical
from modelwright.errors import FormatTooNewError, InputError, IntegrityError
from modelwright.runtime.reader import PackageReader

from . import making

Write = Callable[[dict[str, bytes]], Path]
WHOLE = making.whole()


def read_all(path: Path) -> dict[str, bytes]:
    with PackageReader.open(path) as reader:
        return {name: reader.read(name) for name in reader.manifest["files"]}


@pytest.fixture(params=["zip", "folder"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    def made(files: dict[str, bytes]) -> Path:
        if request.param == "zip":
            return making.write_zip(tmp_path / "sum.mwpkg", files)
        return making.write_folder(tmp_path / "sum", files)

    return made


def test_a_sound_package_is_read(write: Write) -> None:
    path = write(WHOLE)
    with PackageReader.open(path) as reader:
        assert reader.manifest["name"] == "sum"
        assert reader.digest == canonical.digest_bytes(WHOLE["manifest.json"])
        assert reader.signature.trust == "self-consistent"
        assert "not in a list of trusted" in reader.signature.describe()
        assert reader.read("card.md") == b"# sum\n"
        assert reader.profile() == {"format": 1, "inputs": {}, "predictions": {}}
        assert reader.golden()[0]["input"] == "golden/inputs/0.bin"
        with pytest.raises(InputError, match=r"no file 'manifest\.json'"):
            reader.read("manifest.json")


def test_trust(write: Write) -> None:
    path = write(WHOLE)
    with PackageReader.open(path, trusted_keys=[b"\0" * 32, making.PUBLIC]) as reader:
        assert reader.signature.trust == "trusted"
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for keys in ([], [stranger]):
        with pytest.raises(IntegrityError, match="not one of the"):
            PackageReader.open(path, trusted_keys=keys)


def test_unsigned_is_said_and_refused_where_trust_is_asked(write: Write) -> None:
    path = write({name: data for name, data in WHOLE.items() if name != "signature.json"})
    with PackageReader.open(path) as reader:
        assert reader.signature.trust == "unsigned"
    with pytest.raises(IntegrityError, match="not signed"):
        PackageReader.open(path, trusted_keys=[making.PUBLIC])


def test_somebody_elses_signature_with_a_trusted_key_written_on_it(write: Write) -> None:
    other = Ed25519PrivateKey.generate()
    forged = json.loads(making.signed(WHOLE["manifest.json"], other)) | {"public_key": making.PUBLIC.hex()}
    path = write(WHOLE | {"signature.json": canonical.dumps(forged)})
    with pytest.raises(IntegrityError, match="does not fit"):
        PackageReader.open(path, trusted_keys=[making.PUBLIC])


def test_signature_beside_an_artifact(tmp_path: Path) -> None:
    artifact = tmp_path / "package"
    making.write_folder(artifact / "content", {n: d for n, d in WHOLE.items() if n != "signature.json"})
    (artifact / "attached").mkdir()
    (artifact / "attached" / "signature.json").write_bytes(WHOLE["signature.json"])
    for path in (artifact, artifact / "content"):
        with PackageReader.open(path, trusted_keys=[making.PUBLIC]) as reader:
            assert reader.signature.trust == "trusted"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_of_any_file_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(WHOLE)))
    at = data.draw(st.integers(0, len(WHOLE[name]) - 1))
    flipped = bytearray(WHOLE[name])
    flipped[at] ^= data.draw(st.integers(1, 255))
    path = making.write_folder(tmp_path / "flipped", WHOLE | {name: bytes(flipped)})
    with pytest.raises(InputError):
        PackageReader.open(path, trusted_keys=[making.PUBLIC])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_of_the_archive_is_refused_or_changes_nothing(tmp_path: Path, data: st.DataObject) -> None:
    path = making.write_zip(tmp_path / "flipped.mwpkg", WHOLE)
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        found = read_all(path)
    except InputError:
        return
    assert found == making.sound_files()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_truncated_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    path = making.write_zip(tmp_path / "cut.mwpkg", WHOLE)
    raw = path.read_bytes()
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(InputError):
        PackageReader.open(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=400))
def test_noise_is_refused_in_one_way(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "noise.mwpkg"
    path.write_bytes(noise)
    with pytest.raises(IntegrityError):
        PackageReader.open(path)


def test_a_folder_cut_short(tmp_path: Path) -> None:
    path = making.write_folder(tmp_path / "sum", WHOLE)
    (path / "model.onnx").write_bytes(WHOLE["model.onnx"][:-1])
    with pytest.raises(IntegrityError, match=r"'model\.onnx' has \d+ bytes; its manifest says"):
        PackageReader.open(path)


@pytest.mark.parametrize("name", ["extra.txt", "golden/inputs/1.bin", "model.onnx.data"])
def test_an_unlisted_file_is_refused(write: Write, name: str) -> None:
    with pytest.raises(IntegrityError, match="does not list"):
        PackageReader.open(write(WHOLE | {name: b"x"}))


@pytest.mark.parametrize("name", [name for name in sorted(WHOLE) if name != "signature.json"])
def test_a_missing_file_is_refused(write: Write, name: str) -> None:
    with pytest.raises(IntegrityError, match=r"lacks|has no manifest"):
        PackageReader.open(write({n: d for n, d in WHOLE.items() if n != name}))


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "a/../../b", "a//b", "a/", "./a", "..\\evil", "C:\\evil", "C:evil", "con\x00", "ünicode",
     "a b", ".hidden", "golden/.hidden", "a;b", "a#b", "%2e%2e/b", "-rf", "x" * 101, "/".join("abcdefghij"), ""],
)  # fmt: skip
def test_names_that_reach_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    """Even when the manifest, properly signed, lists them."""
    files = making.sound_files() | {name: b"x"}
    path = making.write_zip(tmp_path / "sum.mwpkg", making.whole(files))
    with pytest.raises(IntegrityError):
        PackageReader.open(path)
    assert [each.name for each in tmp_path.iterdir()] == ["sum.mwpkg"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["card.md", "CARD.md", "Model.onnx"])
def test_twins_are_refused(tmp_path: Path, name: str) -> None:
    path = making.write_zip(tmp_path / "sum.mwpkg", WHOLE)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), b"other")
    with pytest.raises(IntegrityError, match=r"twice|clash"):
        PackageReader.open(path)


def test_links_and_pipes_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(WHOLE["card.md"])  # even one with the right bytes
    makers: list[Callable[[Path, Path], None]] = [os.symlink, os.link, lambda _, path: os.mkfifo(path)]
    for number, make in enumerate(makers):
        path = making.write_folder(tmp_path / f"sum{number}", WHOLE)
        (path / "card.md").unlink()
        make(secret, path / "card.md")
        with pytest.raises(IntegrityError, match=r"not a regular file|hard link"):
            PackageReader.open(path)


def test_a_linked_folder_inside_is_refused(tmp_path: Path) -> None:
    path = making.write_folder(tmp_path / "sum", WHOLE)
    (path / "golden").rename(tmp_path / "elsewhere")
    (path / "golden").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="not a regular file"):
        PackageReader.open(path)


def test_a_file_exchanged_for_a_link_after_opening_is_noticed(tmp_path: Path) -> None:
    path = making.write_folder(tmp_path / "sum", WHOLE)
    with PackageReader.open(path) as reader:
        (path / "card.md").rename(tmp_path / "card.md")
        (path / "card.md").symlink_to(tmp_path / "card.md")
        with pytest.raises(IntegrityError, match="cannot be opened"):
            reader.read("card.md")
        (path / "model.onnx").write_bytes(b"y" * len(WHOLE["model.onnx"]))
        with pytest.raises(IntegrityError, match="digest differs"):
            reader.model()


def test_a_link_entry_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sum.mwpkg"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in WHOLE.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (0o120777 if name == "card.md" else 0o100644) << 16
            archive.writestr(entry, data)
    with pytest.raises(IntegrityError, match="not a regular file"):
        PackageReader.open(path)


def test_bombs_are_refused_unread(tmp_path: Path) -> None:
    bomb = making.write_zip(tmp_path / "bomb.mwpkg", WHOLE | {"card.md": bytes(50 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(IntegrityError, match="compressed"):
        PackageReader.open(bomb)
    many = making.write_zip(tmp_path / "many.mwpkg", {f"f{number}": b"" for number in range(5000)})
    with pytest.raises(IntegrityError, match="at most 4096"):
        PackageReader.open(many)


def test_lying_sizes_are_refused(tmp_path: Path) -> None:
    """A directory that claims gigabytes for an entry of a few bytes, and a manifest that does."""
    path = making.write_zip(tmp_path / "sum.mwpkg", WHOLE)
    raw = bytearray(path.read_bytes())
    entry = raw.rfind(b"PK\x01\x02")
    raw[entry + 20 : entry + 28] = struct.pack("<LL", 0xFFFFFFF0, 0xFFFFFFF0)
    path.write_bytes(raw)
    with pytest.raises(IntegrityError):
        PackageReader.open(path)


@pytest.mark.parametrize("where", ["front", "end", "comment", "between"])
def test_hidden_bytes_are_refused(tmp_path: Path, where: str) -> None:
    path = making.write_zip(tmp_path / "sum.mwpkg", WHOLE)
    raw = path.read_bytes()
    if where == "front":
        path.write_bytes(b"#!/bin/sh\n" + raw)
    elif where == "end":
        path.write_bytes(raw + b"more")
    elif where == "comment":
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = b"hello"
    else:
        directory = struct.unpack("<L", raw[-6:-2])[0]
        end = bytearray(raw[-22:])
        end[16:20] = struct.pack("<L", directory + 4)
        path.write_bytes(raw[:directory] + b"more" + raw[directory:-22] + bytes(end))
    with pytest.raises(IntegrityError):
        PackageReader.open(path)


def test_a_newer_format_says_so(write: Write) -> None:
    with pytest.raises(FormatTooNewError, match="package format 2; this Modelwright reads formats up to 1") as caught:
        PackageReader.open(write(making.whole(format=2, new_thing={})))
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [{"format": 0}, {"format": True}, {"format": "1"}, {"name": 1}, {"task": {}}, {"schema": {"input": {}}},
     {"graphs": {"model": "other.onnx"}}, {"graphs": {}}, {"output": {}}, {"input": []},
     {"modality_version": "1"}],
)  # fmt: skip
def test_a_manifest_that_is_not_one_is_refused(write: Write, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        PackageReader.open(write(making.whole(**changes)))


@pytest.mark.parametrize(
    "entry",
    [None, {}, {"digest": "zz", "size": 1}, {"digest": "0" * 64, "size": -1}, {"digest": "0" * 64, "size": 1.5}],
)
def test_a_file_entry_that_is_not_one_is_refused(write: Write, entry: object) -> None:
    manifest = making.manifest_of(making.sound_files())
    manifest["files"]["card.md"] = entry
    with pytest.raises(IntegrityError, match="not a digest and a size"):
        PackageReader.open(write(making.sound_files() | {"manifest.json": canonical.dumps(manifest)}))


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"{", b"[" * 100_000, b'{"format":1}', b'{"format":1,"format":2}', b'{"format":NaN}',
     b'{"format": 1}', b'{"format":1,"a":"\\ud800"}', b'{"format":1' + b"0" * 5000 + b"}", b"\xff\xfe"],
)  # fmt: skip
def test_strange_manifests_are_refused(tmp_path: Path, raw: bytes) -> None:
    path = making.write_folder(tmp_path / "sum", making.sound_files() | {"manifest.json": raw})
    with pytest.raises(InputError):
        PackageReader.open(path)


@pytest.mark.parametrize(
    "golden",
    [b"[]", b"{}", b'[{"input":"no"}]', b'[{"input":"card.md"}]', b"nonsense", b'[{"input":["a"],"outputs":{}}]'],
)
def test_golden_samples_must_be_there(write: Write, golden: bytes) -> None:
    with pytest.raises(IntegrityError):
        PackageReader.open(write(making.whole(making.sound_files() | {"golden/expected.json": golden})))


def test_external_data_is_refused(write: Write) -> None:
    files = making.sound_files(making.graph_bytes(external=True))
    with PackageReader.open(write(making.whole(files))) as reader, pytest.raises(IntegrityError, match="another file"):
        reader.model()


def test_no_such_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        PackageReader.open(tmp_path / "no.mwpkg")
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        PackageReader.open(tmp_path)
