"""Sounds: some of each class to look at and to listen to, what each class sounds like on average, how long and loud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.drawing.spectrogram import png, spectrogram
from modelwright.prepare.explore.looks import Gauge, Pictures
from modelwright.prepare.explore.measured import by_class, drawn
from modelwright.prepare.explore.view import View, clip, share
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.audio import clips as audio_clips
from modelwright.tasks.modalities.audio import sketch as audio_sketch

_MEASURES = (
    "seconds", "loudness", "peak", "clipped", "silence", "snr", "centroid", "bandwidth", "flatness", "zero_crossing",
)  # fmt: skip
_CLASSES = 16
_EACH = 3
"""Sounds of a class that are shown; the first one can be listened to, the others while the page's budget lasts."""
_SKETCHES = 4000
_LINES = 8
"""Classes whose average spectrum is drawn as a line."""
_WIDE, _HIGH = 168, 84
_HEARD = 700_000
"""What all clips weigh together, of the page's budget for pictures and sounds."""


def look(raw: bytes, schema: Mapping[str, Any], side: int) -> Any:
    """Return a sound's spectrogram as a ``PIL.Image``, ``side`` pixels wide and half as high.

    Raises
    ------
    UndecodableError
        If the bytes are no sound.
    """
    return audio_clips.picture(raw, side, max(side // 2, 1), high=float(schema.get("high", audio_clips.HIGH)))


def of_sketch(sketch: NDArray[np.uint8], side: int) -> Any:
    """Return a square ``PIL.Image`` from a sketch alone."""
    return spectrogram(_levels(sketch[None])[0], side, side)


def _levels(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, bands, moments)``, 0 to 1."""
    size = audio_sketch.BANDS * audio_sketch.MOMENTS
    shape = (-1, audio_sketch.BANDS, audio_sketch.MOMENTS)
    return np.asarray(sketches[:, :size].reshape(shape).astype(np.float32) / np.float32(255.0))


GAUGES: Mapping[str, Gauge] = {
    "seconds": Gauge("s", "how long"),
    "rate": Gauge("Hz", "samples a second"),
    "channels": Gauge("", "one is mono, two are stereo"),
    "loudness": Gauge("dB", "mean level, below full scale"),
    "peak": Gauge("%", "largest level, of full scale"),
    "clipped": Gauge("%", "of the samples are cut off at full scale"),
    "silence": Gauge("%", "of the time is nearly silent"),
    "snr": Gauge("dB", "signal to noise: loud moments above quiet ones"),
    "zero_crossing": Gauge("Hz", "how often the wave crosses zero"),
    "centroid": Gauge("Hz", "middle of the spectrum: low is dull, high is bright"),
    "bandwidth": Gauge("Hz", "width of the spectrum around its middle"),
    "rolloff": Gauge("Hz", "frequency that nearly all the power lies below"),
    "flatness": Gauge("%", "from a tone to noise"),
    "missing": Gauge("%", "of what the file announces is not there"),
}
"""How measures are read."""
_SEEN = (
    "After: red is the level, green the level beside the band's own mean, blue how it changes; what lies behind the "
    "sound's end is plain."
)
PICTURES = Pictures(look, of_sketch, gauge=GAUGES.get, seen=_SEEN)


def sections(view: View) -> list[Element]:
    """Return a sheet of sounds, the average spectra and spectrograms, and the distributions of what was measured."""
    return [part for part in (_sheet(view), _spectra(view), _measured(view)) if part is not None]


def _sheet(view: View) -> Element | None:
    shown = view.groups[:_CLASSES]
    if not shown:
        return None
    each = max(1, min(_EACH, 40 // len(shown)))
    heard = _HEARD
    parts: list[Any] = []
    for name, places in shown:
        chosen = []
        for place in view.some(places, each).tolist():
            made, spent = _tile(view, place, heard)
            heard -= spent
            if made is not None:
                chosen.append(made)
        parts += [
            draw.h("h3", f"{name} ", draw.h("small", f"{len(places):,}")),
            draw.h("div", chosen, class_="tiles"),
        ]
    more = len(view.groups) - _CLASSES
    if more > 0:
        parts.append(draw.h("p", f"and {more:,} smaller classes", class_="muted"))
    words = (
        "Level by pitch (upwards, on the mel scale) and time, bright is loud. Clips are the first seconds, brought to "
        "full level."
    )
    return draw.section("Sounds of each class" if view.classes else "Sounds", draw.h("p", words), *parts)


def _tile(view: View, place: int, budget: int) -> tuple[Element | None, int]:
    """Return a spectrogram with a player under it while ``budget`` bytes last, and what the player weighs."""
    raw = view.raw(place)
    if raw is None:
        return None, 0
    name = clip(view.path(place).rpartition("/")[2], 40)
    try:
        picture = look(raw, view.schema["input"], 2 * _WIDE)
        rate = audio_clips.RATE if int(view.schema["input"]["rate"]) > 8000 else 8000
        sound = audio_clips.clip(raw, seconds=audio_clips.SECONDS * 8000 / rate, rate=rate)
    except UndecodableError:
        return None, 0
    drawn = view.spend(png(picture))
    if drawn is None:
        return None, 0
    heard = view.spend(sound) if len(sound) <= budget else None
    length = f"{view.measure('seconds')[place]:.2f} s" if "seconds" in view.measures else ""
    made = draw.h(
        "div",
        draw.image(drawn, name, width=_WIDE),
        draw.h("p", f"{name}, {length}" if length else name, class_="muted"),
        None if heard is None else draw.sound(heard, name),
        class_="tile",
    )
    return made, 0 if heard is None else len(sound)


# ---------------------------------------------------------------------- averages


def _spectra(view: View) -> Element | None:
    places = view.some(np.flatnonzero(view.kept), _SKETCHES)
    found = view.sketches(places)
    if found is None or len(found[0]) < 2:
        return None
    places, levels = places[found[0]], _levels(found[1])
    middles = audio_clips.centres(audio_sketch.BANDS, audio_sketch.LOW, audio_sketch.HIGH) / 1000.0
    reached = middles <= float(view.schema["input"]["rate"]) / 2000.0
    pictures: list[tuple[bytes, str]] = []
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, members in view.groups[:_CLASSES]:
        inside = np.isin(places, members)
        if not inside.any():
            continue
        mean = levels[inside].mean(axis=0)
        if len(lines) < _LINES:
            spectrum = (mean.mean(axis=1) - 1.0) * audio_sketch.RANGE
            lines[clip(name, 30)] = [
                (round(float(x), 3), round(float(y), 1))
                for x, y in zip(middles[reached], spectrum[reached], strict=True)
            ]
        picture = png(spectrogram(mean[reached], 2 * _HIGH, 2 * _HIGH))
        pictures.append((picture, f"{name} ({int(inside.sum()):,})"))
    view.figures["spectra"] = lines
    of = f" The {len(lines)} largest of {len(view.groups):,} classes." if len(lines) < len(view.groups) else ""
    return draw.section(
        "What each class sounds like" if len(pictures) > 1 else "What they sound like",
        draw.figure(
            chart.lines(lines, title="Average spectrum", x_label="frequency, kHz", y_label="dB, loudest point 0"),
            f"Mean level of each band, each sound relative to its own loudest point.{of}",
        ),
        draw.h("h3", "Average course"),
        draw.h("p", "Each sound stretched from its first loud moment to its last; pitch upwards, time to the right."),
        draw.gallery(pictures, width=_HIGH),
    )


# ---------------------------------------------------------------------- measures


def _measured(view: View) -> Element | None:
    figures = drawn(view, _MEASURES, "sound")
    if not figures:
        return None
    return draw.section(
        "How long, how loud",
        *figures,
        *_formats(view),
        by_class(view, ("seconds", "loudness", "centroid", "snr"), _CLASSES),
    )


def _formats(view: View) -> Iterator[Element]:
    """Yield which rates and channels there are."""
    if not {"rate", "channels"} <= set(view.measures):
        return
    both = np.stack([view.measure("rate"), view.measure("channels")], 1)[view.kept]
    both = both[np.isfinite(both).all(1)].astype(np.int64)
    if not len(both):
        return
    different, counts = np.unique(both, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rows = [
        [f"{rate:,} Hz", _channels(channels), count, share(count, len(both))]
        for (rate, channels), count in zip(different[order].tolist(), counts[order].tolist(), strict=True)
    ]
    view.figures["formats"] = [[int(rate), int(channels), int(count)] for (rate, channels), count in
                               zip(different[order].tolist(), counts[order].tolist(), strict=True)]  # fmt: skip
    if len(rows) == 1:
        yield draw.h("p", f"All sounds have {rows[0][0]}, {rows[0][1]}.")
        return
    yield draw.h("h3", "Rates and channels")
    yield draw.table(["rate", "channels", "sounds", "share"], rows[:20])
    yield draw.h("p", f"{len(rows)} different ones: all are brought to {int(view.schema['input']['rate']):,} Hz, mono.")


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")
