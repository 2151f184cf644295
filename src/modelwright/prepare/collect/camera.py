"""Source ``camera``: a camera of this machine or of the network, recorded once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright import canonical
from modelwright.errors import InputError, ModelwrightError
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey
from modelwright.prepare.collect.frames import OPTIONS, PATIENCE, Ended, Request, change_of, frames, seconds_of
from modelwright.prepare.collect.options import Options
from modelwright.progress import SILENT, Progress

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index
    from modelwright.store.state import StateFile

FRAMES = 100
SECONDS = 300.0
_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "udp://", "rtp://")
_DEVICE = re.compile(r"(?:/dev/video)?([0-9]{1,3})\Z")
_SECRET = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FORMAT = 1


class CameraSource:
    """A camera by its number (``0``, ``/dev/video0``) or address (RTSP, HTTP, UDP), as the frames of one recording.

    A camera never says the same twice, and a dataset has to stand: so it is recorded once, when data are first
    prepared, into the store's objects and ``state/``; from then on this source is that recording. Raise ``take`` to
    record anew. A recording is bounded by frames and by seconds, waits at most ``timeout`` for a connection or a frame,
    and keeps what came if the camera goes away midway, with an issue. ``${NAME}`` in the address is taken from the
    environment, so that no password stands in the spec.
    """

    kind: ClassVar[str] = "camera"
    option_names: ClassVar[Mapping[str, str]] = {
        **{name: text for name, text in OPTIONS.items() if name != "most"},
        "frames": f"frames to record, at most; default: {FRAMES}",
        "seconds": f"time to record, at most; default: {SECONDS:g}s",
        "timeout": f"time to wait for a connection or a frame; default and most: {PATIENCE:g}s",
        "take": "number of the recording; another number records anew",
    }
    kept: ClassVar[Kept] = "objects"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = Options(self.kind, settings)
        self._where = options.where
        self._label = options.text("label")
        self._take = options.whole("take", 1, 1_000_000) or 1
        location = str(settings.location)
        device = _DEVICE.fullmatch(location)
        if device is None and not location.lower().startswith(_SCHEMES):
            raise InputError(
                f"{self._where}: {location!r} is neither a camera's number nor an address",
                code="bad-location",
                hint=f"0, /dev/video0, or an address that begins with {', '.join(_SCHEMES)}",
            )
        self._wanted = Request(
            "" if device is not None else location,
            device=None if device is None else int(device.group(1)),
            live=True,
            every=seconds_of(options, "every", Request.every, 86_400.0),
            change=change_of(options),
            most=options.whole("frames", 1, 1_000_000) or FRAMES,
            seconds=seconds_of(options, "seconds", SECONDS, 7 * 86_400.0),
            timeout=max(0.5, seconds_of(options, "timeout", PATIENCE, PATIENCE)),
        )

    @property
    def _state(self) -> StateFile:
        from modelwright.store.state import StateFile

        facts = asdict(self._wanted) | {"timeout": None, "take": self._take}
        del facts["size"], facts["pixels"]  # of files
        return StateFile(self.settings.store.root, f"camera-{canonical.digest_value(facts)[:24]}", _FORMAT)

    def fingerprint(self, index: Index) -> str:  # noqa: ARG002 - the seam's signature
        """Return the digest of the recording; of what is asked for, where nothing was recorded yet."""
        known = self._state.load()
        return canonical.digest_value([self.kind, self._label, self._take, known and [known["frames"], known["ended"]]])

    def record(self, progress: Progress = SILENT) -> bool:
        """Record, unless that was done; return whether it was done now.

        Raises
        ------
        InputError
            If not one frame came.
        """
        state = self._state
        if state.load() is not None:
            return False
        store = self.settings.store
        taken: list[tuple[float, str]] = []
        ended = Ended("died")
        progress.begin(f"recording {_public(self.settings.location)}", self._wanted.most)
        for each in frames(self._request()):
            if isinstance(each, Ended):
                ended = each
            else:
                taken.append((each.seconds, store.objects.put(each.jpeg)))
                progress.advance()
        if not taken:
            raise InputError(
                f"{self._where}: no picture came ({_why(ended, self._wanted)})",
                code="camera-unreachable",
                hint="is it on, reachable from here, and not in use by another program?",
            )
        state.save({"frames": [list(each) for each in taken], "ended": asdict(ended)})
        progress.say(f"{len(taken)} frames were recorded; 'take: {self._take + 1}' would record anew")
        return True

    def _request(self) -> Request:
        """Return what to decode, with the environment's words in the address."""
        from dataclasses import replace

        def word(match: re.Match[str]) -> str:
            value = os.environ.get(match.group(1))
            if value is None:
                raise InputError(f"{self._where}: the environment has no {match.group(1)!r}", code="no-such-variable")
            return value

        return replace(self._wanted, target=_SECRET.sub(word, self._wanted.target))

    def survey(self) -> Survey:
        """Record, if that was not done yet."""
        self.record()
        return Survey()

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the recorded frames, then how the recording ended."""
        known = self._state.load()
        if known is None:
            raise ModelwrightError(f"{self._where} was not recorded", code="not-recorded")
        group = f"recording {self._take}"
        for seconds, digest in known["frames"]:
            raw = self.settings.store.objects.get(digest)
            yield Item(f"take{self._take}@{seconds:.3f}", self._label, group, raw=raw)
        yield from self._issues(Ended(**known["ended"]), len(known["frames"]))

    def _issues(self, ended: Ended, taken: int) -> Iterator[Rejected]:
        if ended.why not in {"most", "time"}:
            words = f"the camera went away after {taken} of {self._wanted.most} frames: {_why(ended, self._wanted)}"
            facts: dict[str, Any] = asdict(ended)
            yield Rejected(f"take{self._take}", "camera-lost", words, 0.6, facts)


def _why(ended: Ended, wanted: Request) -> str:
    return {
        "closed": f"it could not be opened within {wanted.timeout:g} s",
        "silent": f"it said nothing for {wanted.timeout:g} s",
        "died": "the decoder broke down",
        "large": "its frames have more than 50 million pixels",
        "end": "the stream ended",
    }.get(ended.why, ended.why)


def _public(location: str) -> str:
    """Return an address without its user and password."""
    return re.sub(r"(://)[^/@]*@", r"\1", location)
