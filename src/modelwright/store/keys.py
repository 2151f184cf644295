"""The project's secrets: an Ed25519 key that signs packages, and the token that the server asks for.

Both are made at their first use, readable by their owner alone from the moment they exist.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.errors import IntegrityError
from modelwright.store.files import read_file, storage_errors, sync_folder, write_new
from modelwright.store.scratch import Scratch

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Keys:
    """The files in ``keys/``."""

    def __init__(self, root: Path, scratch: Scratch) -> None:
        self._root = root / "keys"
        self._scratch = scratch

    def signing(self) -> Ed25519PrivateKey:
        """Return the Ed25519 key that signs this project's packages (``keys/signing.pem``, PKCS #8).

        Raises
        ------
        IntegrityError
            If the file is damaged, or others than its owner may read it.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self._root / "signing.pem"
        data = self._secret(path, _new_signing_key)
        try:
            key = load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IntegrityError(f"{path} is damaged: it does not hold a private key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise IntegrityError(f"{path} does not hold an Ed25519 key")
        return key

    def public(self) -> bytes:
        """Return the public half of :meth:`signing`, 32 bytes."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.signing().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def token(self) -> str:
        """Return the server's token (``keys/token``): 256 random bits, 64 hexadecimal characters.

        Raises
        ------
        IntegrityError
            If the file is damaged, or others than its owner may read it.
        """
        path = self._root / "token"
        text = self._secret(path, _new_token).decode("ascii", "replace").strip()
        if len(text) < 32 or not text.isalnum():
            raise IntegrityError(f"{path} is damaged: it does not hold a token", hint="remove it: a new one is made")
        return text

    def _secret(self, path: Path, make: Callable[[], bytes]) -> bytes:
        with storage_errors("keep the secret", path):
            if not path.exists():
                self._create(path, make())
            mode = path.lstat().st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise IntegrityError(
                    f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}, should be 0600)",
                    hint=f"chmod 600 '{path}', and consider the secret known",
                )
            return read_file(path)

    def _create(self, path: Path, data: bytes) -> None:
        with suppress(FileExistsError):
            self._root.mkdir(mode=0o700)
            sync_folder(self._root.parent)
        temporary = self._scratch.new()
        write_new(temporary, data, 0o600)
        # A link, not a rename: of two processes that make the first key at once, one wins and both use that one.
        with suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
        sync_folder(self._root)


def _new_signing_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _new_token() -> bytes:
    return os.urandom(32).hex().encode() + b"\n"
