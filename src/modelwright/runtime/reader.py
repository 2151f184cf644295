"""Opens a package: checked whole before anything in it is used.

The order is fixed: the container (names, sizes, kinds of file), the manifest, the signature over the manifest, the
digest of every file the manifest names. Only then is there a :class:`PackageReader`. Bytes are checked again when they
are read, so a file that changes later is noticed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from blake3 import blake3

from modelwright import canonical
from modelwright.errors import FormatTooNewError, InputError, IntegrityError
from modelwright.runtime.archive import Container, open_container
from modelwright.runtime.external import has_external_data

FORMAT = 1
"""The newest package format this reader knows. Older ones stay readable: one golden file each is in the tests."""
MANIFEST = "manifest.json"
SIGNATURE = "signature.json"
GOLDEN = "golden/expected.json"
PROFILE = "profile.json"

MAX_MANIFEST_BYTES = 32 << 20
MAX_SIGNATURE_BYTES = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_HINT = "get the package again from where it was made"


@dataclass(frozen=True)
class Signature:
    """Who vouches for a package, and how much that is worth here."""

    trust: Literal["trusted", "self-consistent", "unsigned"]
    """``trusted``: signed by a key that was given as trusted. ``self-consistent``: the signature fits, by a key nobody
    vouched for. ``unsigned``: the digests fit, and that is all."""
    public_key: str
    """The signer's Ed25519 key, 64 hexadecimal characters; empty where unsigned."""

    def describe(self) -> str:
        """Say it in words.

        Examples
        --------
        >>> Signature("unsigned", "").describe()
        'not signed: its digests agree, but nobody vouches for it'
        """
        if self.trust == "unsigned":
            return "not signed: its digests agree, but nobody vouches for it"
        known = "a trusted key" if self.trust == "trusted" else "a key that is not in a list of trusted ones"
        return f"signed by {known}, {self.public_key[:16]}…"


class PackageReader:
    """A package that has been checked. Made by :meth:`open`; a context manager.

    Attributes
    ----------
    path
        Where it was opened.
    manifest
        The parsed ``manifest.json`` (`docs/formats.md`).
    digest
        Digest of the bytes of ``manifest.json``, which name every other file by digest: it identifies the package.
    signature
        What its signature is worth here.
    """

    def __init__(
        self, path: Path, container: Container, manifest: Mapping[str, Any], digest: str, signature: Signature
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.digest = digest
        self.signature = signature
        self._container = container

    @classmethod
    def open(
        cls, path: str | Path, *, trusted_keys: Sequence[bytes] | None = None, signature: str | Path | None = None
    ) -> PackageReader:
        """Check the package at ``path`` and open it.

        Parameters
        ----------
        path
            A ``.mwpkg`` file, a folder with the same files, or the folder of a package artifact in a store.
        trusted_keys
            Raw Ed25519 public keys (32 bytes each). Given, the package must be signed by one of them. None: a
            signature must fit where there is one, and :attr:`signature` says that nobody vouched for its key.
        signature
            Where ``signature.json`` lies if it is not in the package. In an artifact it is found in ``attached/``.

        Raises
        ------
        InputError
            If there is no such file.
        FormatTooNewError
            If a newer Modelwright wrote it.
        IntegrityError
            If anything is not as the manifest and the format say; the message names the file and what was found.
        """
        path = Path(path)
        inside, beside = _artifact_layout(path)
        container = open_container(inside)
        try:
            raw = _read_small(container, MANIFEST, MAX_MANIFEST_BYTES, inside)
            manifest = parse_manifest(raw, inside)
            signed = _signature_bytes(container, Path(signature) if signature else beside, inside)
            checked = _check_signature(signed, raw, trusted_keys, inside)
            _check_listing(container, manifest, inside)
            for name in manifest["files"]:
                _check_content(container, name, manifest, inside)
            reader = cls(inside, container, manifest, canonical.digest_bytes(raw), checked)
            reader._check_references()
        except BaseException:
            container.close()
            raise
        return reader

    def read(self, name: str) -> bytes:
        """Return the bytes of one file of the manifest; its size and digest are checked once more.

        Raises
        ------
        InputError
            If the manifest names no such file.
        IntegrityError
            If the file has changed since the package was opened.
        """
        if name not in self.manifest["files"]:
            raise InputError(f"the package {self.path} has no file {name!r}", code="not-found")
        pieces: list[bytes] = []
        _check_content(self._container, name, self.manifest, self.path, pieces.append)
        return b"".join(pieces)

    def read_json(self, name: str) -> Any:
        """Return one file, parsed as JSON."""
        return _parse_json(self.read(name), f"{self.path}: {name}")

    def model(self, graph: str = "model") -> bytes:
        """Return a graph's bytes, certain to ask for no file beside it.

        Raises
        ------
        IntegrityError
            If the graph refers to external data, or is no protobuf message.
        """
        name = self.manifest["graphs"][graph]
        data = self.read(name)
        try:
            external = has_external_data(data)
        except ValueError as error:
            raise IntegrityError(f"{self.path}: {name!r} is not an ONNX graph ({error})", hint=_HINT) from error
        if external:
            raise IntegrityError(
                f"{self.path}: {name!r} refers to data in another file; a package's graphs are whole",
                hint="export the graph with its weights inside",
            )
        return data

    def profile(self) -> dict[str, Any] | None:
        """Return the reference profile, or None where the package has none."""
        return dict(self.read_json(PROFILE)) if PROFILE in self.manifest["files"] else None

    def golden(self) -> list[dict[str, Any]]:
        """Return ``[{"input": file name, "outputs": {name: nested lists}}]``, as `golden/expected.json` has it."""
        return list(self.read_json(GOLDEN))

    def _check_references(self) -> None:
        entries = self.read_json(GOLDEN)
        sound = isinstance(entries, list) and all(
            isinstance(entry, dict)
            and isinstance(entry.get("input"), str)
            and entry["input"] in self.manifest["files"]
            and isinstance(entry.get("outputs"), dict)
            for entry in entries
        )
        if not sound or not entries:
            raise IntegrityError(
                f"{self.path}: {GOLDEN} is not a list of golden samples that are in the package", hint=_HINT
            )

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _artifact_layout(path: Path) -> tuple[Path, Path | None]:
    """Return where the package's files are and, in a store, where its signature is attached."""
    if (path / "content" / MANIFEST).is_file():
        path = path / "content"
    beside = path.parent / "attached" / SIGNATURE
    return path, beside if path.name == "content" and beside.is_file() else None


def _read_small(container: Container, name: str, limit: int, where: Path) -> bytes:
    size = container.sizes.get(name)
    if size is None:
        raise IntegrityError(
            f"{where} has no {name}: it is not a Modelwright package", hint="give a .mwpkg file or its folder"
        )
    if size > limit:
        raise IntegrityError(f"{where}: {name} has {size} bytes; at most {limit} are allowed", hint=_HINT)
    return b"".join(container.pieces(name))


def _parse_json(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where} is not JSON ({str(error)[:120]})", hint=_HINT) from error


def parse_manifest(raw: bytes, where: Path) -> dict[str, Any]:
    """Parse and check ``manifest.json``: the format first, then its canonical form, then every field that is used.

    Raises
    ------
    FormatTooNewError
        For a format newer than :data:`FORMAT`.
    IntegrityError
        For anything else that is not as `docs/formats.md` says.
    """
    manifest = _parse_json(raw, f"{where}: {MANIFEST}")
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if type(version) is not int or version < 1:
        raise IntegrityError(f"{where}: {MANIFEST} has no format version", hint=_HINT)
    if version > FORMAT:
        raise FormatTooNewError(
            f"{where} has package format {version}; this Modelwright reads formats up to {FORMAT}",
            hint="pip install --upgrade modelwright",
        )
    try:
        is_canonical = canonical.dumps(manifest) == raw
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise IntegrityError(
            f"{where}: {MANIFEST} is not in canonical form; it was changed after it was made", hint=_HINT
        )
    problem = _manifest_problem(manifest)
    if problem:
        raise IntegrityError(f"{where}: {MANIFEST}: {problem}", hint=_HINT)
    return dict(manifest)


def _manifest_problem(manifest: dict[str, Any]) -> str:
    """Return the first thing in the manifest that is not as the format says, or nothing."""
    kinds: dict[str, type] = {
        "name": str, "task": dict, "modality_version": int, "target_version": int, "schema": dict, "input": dict,
        "output": list, "graphs": dict, "family": str, "lineage": dict, "files": dict,
    }  # fmt: skip
    for key, kind in kinds.items():
        if type(manifest.get(key)) is not kind:
            return f"{key!r} is missing or is not a {kind.__name__}"
    for outer, inner, kind in (
        ("task", "modality", str), ("task", "target", str), ("schema", "input", dict), ("schema", "output", dict),
        ("input", "media_types", list), ("input", "tensors", list),
    ):  # fmt: skip
        if type(manifest[outer].get(inner)) is not kind:
            return f"'{outer}.{inner}' is missing or is not a {kind.__name__}"
    files = manifest["files"]
    for name, entry in files.items():
        if name in {MANIFEST, SIGNATURE}:
            return f"{name!r} may not list itself"
        good = isinstance(entry, dict) and set(entry) == {"digest", "size"}
        if not (good and _is_digest(entry["digest"]) and type(entry["size"]) is int and entry["size"] >= 0):
            return f"the entry of {name!r} is not a digest and a size"
    for graph in ("model", *manifest["graphs"]):
        name = manifest["graphs"].get(graph)
        if not isinstance(name, str) or name not in files:
            return f"the graph {graph!r} is not one of its files"
    return "" if GOLDEN in files else f"{GOLDEN!r} is missing"


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.match(value) is not None


def _signature_bytes(container: Container, beside: Path | None, where: Path) -> bytes | None:
    if SIGNATURE in container.sizes:
        return _read_small(container, SIGNATURE, MAX_SIGNATURE_BYTES, where)
    if beside is None:
        return None
    try:
        with beside.open("rb") as file:
            return file.read(MAX_SIGNATURE_BYTES + 1)
    except OSError as error:
        raise InputError(f"the signature {beside} cannot be read: {error.strerror}", code="unreadable") from error


def _check_signature(
    signed: bytes | None, manifest: bytes, trusted_keys: Sequence[bytes] | None, where: Path
) -> Signature:
    if signed is None:
        if trusted_keys is not None:
            raise IntegrityError(f"{where} is not signed, and a trusted signature is asked for", hint=_HINT)
        return Signature("unsigned", "")
    key, signature = _parse_signature(signed, where)
    if trusted_keys is not None and key not in {bytes(trusted) for trusted in trusted_keys}:
        raise IntegrityError(
            f"{where} is signed by {key.hex()[:16]}…, which is not one of the {len(trusted_keys)} trusted keys",
            code="untrusted",
            hint="add its maker's public key to the trusted ones, if you trust them",
        )
    _verify(key, signature, manifest, where)
    return Signature("trusted" if trusted_keys is not None else "self-consistent", key.hex())


def _parse_signature(signed: bytes, where: Path) -> tuple[bytes, bytes]:
    """Return the key and the signature; both have one way only to be written, so that no byte of the file is idle."""
    found = _parse_json(signed, f"{where}: {SIGNATURE}")
    try:
        key, signature = bytes.fromhex(found["public_key"]), bytes.fromhex(found["signature"])
        written = {"algorithm": "ed25519", "public_key": key.hex(), "signature": signature.hex()}
        sound = canonical.dumps(written) == signed and len(key) == 32
    except (TypeError, ValueError, KeyError):
        sound = False
    if not sound:
        raise IntegrityError(f"{where}: {SIGNATURE} is not an Ed25519 signature", hint=_HINT)
    return key, signature


def _verify(key: bytes, signature: bytes, message: bytes, where: Path) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise IntegrityError(
            f"{where}: the signature does not fit {MANIFEST}; the package was changed after it was signed", hint=_HINT
        ) from None


def _check_listing(container: Container, manifest: Mapping[str, Any], where: Path) -> None:
    files: Mapping[str, Any] = manifest["files"]
    there = set(container.sizes) - {MANIFEST, SIGNATURE}
    for name in sorted(there - set(files)):
        raise IntegrityError(f"{where} has a file that its manifest does not list: {name!r}", hint=_HINT)
    for name in sorted(set(files) - there):
        raise IntegrityError(f"{where} lacks {name!r}, which its manifest lists", hint=_HINT)
    for name, entry in files.items():
        if container.sizes[name] != entry["size"]:
            raise IntegrityError(
                f"{where}: {name!r} has {container.sizes[name]} bytes; its manifest says {entry['size']}", hint=_HINT
            )


def _check_content(
    container: Container,
    name: str,
    manifest: Mapping[str, Any],
    where: Path,
    keep: Callable[[bytes], None] | None = None,
) -> None:
    """Read one file, no further than its size, and compare its digest; hand the pieces to ``keep``."""
    entry = manifest["files"][name]
    hasher = blake3()
    left = entry["size"]
    for piece in container.pieces(name):
        left -= len(piece)
        if left < 0:
            break
        hasher.update(piece)
        if keep:
            keep(piece)
    if left or hasher.hexdigest() != entry["digest"]:
        raise IntegrityError(f"{where}: {name!r} is not what the manifest says it is (its digest differs)", hint=_HINT)
