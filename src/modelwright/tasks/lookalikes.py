"""What a file is that was meant to be a sample: downloads that failed leave these behind."""

from __future__ import annotations

LFS_POINTER = "a Git LFS pointer"


def named(raw: bytes) -> str | None:
    """Return what bytes are that are of no modality, by how they begin; None if that is not known.

    Examples
    --------
    >>> named(b"<!DOCTYPE html><title>404</title>"), named(b"RIFF")
    ('an HTML page', None)
    """
    head = raw[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    lower = head[:64].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if lower.startswith((b"<?xml", b"<svg")):
        return "XML or SVG"
    if lower.startswith(b"version https://git-lfs"):
        return LFS_POINTER
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "a zip archive"
    return None
