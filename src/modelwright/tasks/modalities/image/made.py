"""When a picture was taken, by what its camera wrote into it."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

_TAKEN, _CHANGED, _DETAILS = 0x9003, 0x0132, 0x8769
"""EXIF 2.32: DateTimeOriginal, DateTime, and the pointer to where the first of them stands."""
_FORM = re.compile(r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_TAGGED = (b"Exif\0\0", b"eXIf", b"II*\0", b"MM\0*", b"EXIF")
_HEAD = 1 << 16


def made(raw: bytes) -> float:
    """Return days since 1970 with fractions, as the camera's clock showed them; NaN where it says none.

    DateTimeOriginal stands before DateTime, which programs overwrite. Files without EXIF are not opened.
    """
    head = raw[:_HEAD]
    if not any(tag in head for tag in _TAGGED):
        return float("nan")
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw)) as image:
            tags = image.getexif()
            texts = (tags.get_ifd(_DETAILS).get(_TAKEN), tags.get(_CHANGED))
    except Exception:  # noqa: BLE001 - EXIF is an accessory: a picture with a broken one is still a picture
        return float("nan")
    for text in texts:
        found = _FORM.match(text) if isinstance(text, str) else None
        if found:
            try:
                return datetime(*map(int, found.groups()), tzinfo=UTC).timestamp() / 86400  # type: ignore[misc,arg-type]
            except ValueError:  # 0000:00:00 00:00:00, of a clock that was never set
                continue
    return float("nan")
