"""Which samples prove, wherever the package goes, that it still answers as it was trained to.

They come from the validation split, so that the test split is not looked at: every class, the surest and the least
sure, the largest mistakes, the extremes of every measure (the smallest and the largest picture, the darkest, …), those
with most missing values, and some that no data set has but production will send.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.tasks.base import Modality, UndecodableError
from modelwright.tasks.modalities.audio.clips import wav
from modelwright.tasks.modalities.series import reading as series_reading

COUNT = 32
"""Golden samples in a package, if there are as many."""
MAX_BYTES = 8 << 20
"""Most bytes of golden samples together; a package travels to devices."""


def choose(
    truth: NDArray[Any],
    loss: NDArray[np.float64],
    uncertainty: NDArray[np.float64],
    measures: Mapping[str, NDArray[Any]],
    count: int = COUNT,
) -> list[int]:
    """Return the indices of up to ``count`` samples, in the order of their worth.

    Parameters
    ----------
    truth
        ``(n,)`` class indices, or numbers; ``(n, k)`` tags.
    loss
        ``(n,)`` per-sample losses, NaN where the truth is unknown.
    uncertainty
        ``(n,)`` in 0..1.
    measures
        ``(n,)`` each: numbers, or objects with None for missing.
    """
    samples = len(uncertainty)
    known = np.nan_to_num(loss, nan=-np.inf)
    lists = [
        _of_each_class(truth, uncertainty),
        np.argsort(-known, kind="stable")[:8],
        np.argsort(-uncertainty, kind="stable")[:8],
        _extremes(measures),
        _most_missing(measures),
        np.linspace(0, samples - 1, min(samples, count)).astype(int) if samples else [],
    ]
    return list(_first(count, _in_turn(lists)))


def _of_each_class(truth: NDArray[Any], uncertainty: NDArray[np.float64]) -> Sequence[int]:
    """Return the surest sample of each class or tag; of numbers, the smallest, the middle and the largest."""
    if truth.ndim == 2:
        there = [np.flatnonzero(truth[:, tag] > 0.5) for tag in range(truth.shape[1])]
        none = np.flatnonzero((truth == 0).all(axis=1))
        return [int(members[np.argmin(uncertainty[members])]) for members in (*there, none) if len(members)]
    if truth.dtype.kind == "f":
        order = np.argsort(np.nan_to_num(truth, nan=np.inf), kind="stable")[: int(np.isfinite(truth).sum())]
        return [int(order[i]) for i in (0, len(order) // 2, len(order) - 1)] if len(order) else []
    found = []
    for index in np.unique(truth[truth >= 0]):
        members = np.flatnonzero(truth == index)
        found.append(int(members[np.argmin(uncertainty[members])]))
    return found


def _extremes(measures: Mapping[str, NDArray[Any]]) -> list[int]:
    found = []
    for name in sorted(measures):
        values = measures[name]
        if values.dtype.kind == "f":
            there = np.flatnonzero(np.isfinite(values))
            if there.size and values[there].min() < values[there].max():
                found += [int(there[np.argmin(values[there])]), int(there[np.argmax(values[there])])]
        else:
            words, where, counts = np.unique(
                np.array([str(value) for value in values]), return_index=True, return_counts=True
            )
            if len(words) > 1:
                found.append(int(where[np.argmin(counts)]))  # the rarest value
    return found


def _most_missing(measures: Mapping[str, NDArray[Any]]) -> Sequence[int]:
    missing: NDArray[np.int64] | None = None
    for values in measures.values():
        absent = (
            np.isnan(values) if values.dtype.kind == "f" else np.array([value is None for value in values], dtype=bool)
        )
        missing = absent.astype(np.int64) if missing is None else missing + absent
    if missing is None or not missing.any():
        return []
    return [int(index) for index in np.argsort(-missing, kind="stable")[:3]]


def _in_turn(lists: Iterable[Iterable[int]]) -> Iterator[int]:
    for row in zip_longest(*lists):
        yield from (int(index) for index in row if index is not None)


def _first(count: int, indices: Iterable[int]) -> Iterator[int]:
    seen: set[int] = set()
    for index in indices:
        if len(seen) == count:
            return
        if index not in seen:
            seen.add(index)
            yield index


def bounded(raws: Iterable[bytes], limit: int = MAX_BYTES, least: int = 4) -> list[bytes]:
    """Return different samples, in order, until their bytes reach ``limit``; ``least`` of them whatever their size."""
    kept: list[bytes] = []
    total = 0
    for raw in raws:
        if raw in kept or (total + len(raw) > limit and len(kept) >= least):
            continue
        kept.append(raw)
        total += len(raw)
    return kept


def edge_cases(modality: Modality, schema: Mapping[str, Any], sample: bytes) -> list[bytes]:
    """Return samples that no data set has but production will send: a row with nothing in it, a picture of an odd size.

    Only those that the modality can decode.
    """
    makers = {
        "table": _odd_rows,
        "image": _odd_pictures,
        "series": _odd_series,
        "audio": _odd_sounds,
        "text": _odd_texts,
    }
    made = makers.get(modality.name, _none)(modality, schema, sample)
    found = []
    for raw in made:
        try:
            modality.decode(raw, schema)
        except UndecodableError:
            continue
        found.append(raw)
    return found


def _none(modality: Modality, schema: Mapping[str, Any], sample: bytes) -> list[bytes]:
    del modality, schema, sample
    return []


def _odd_rows(modality: Modality, schema: Mapping[str, Any], sample: bytes) -> list[bytes]:
    """Return a row with all values missing, and one with words that training never saw and extreme numbers."""
    del modality, schema
    row = json.loads(sample)
    empty = canonical.dumps(dict.fromkeys(row))
    unseen = canonical.dumps({name: _unseen(value) for name, value in row.items()})
    return [empty, unseen]


def _unseen(value: Any) -> Any:
    if isinstance(value, str):
        return value + "?"
    return value * 10 if isinstance(value, float) else value


def _odd_series(modality: Modality, schema: Mapping[str, Any], sample: bytes) -> list[bytes]:
    """Return sequences of one step and of twice as many, with a channel and with all values missing, and far off."""
    found = modality.decode(sample, schema)
    values = found["values"][0].astype(np.float64)
    names = [str(channel["name"]) for channel in schema["channels"]]
    time = found["time"][0] if "time" in found else None
    twice = None if time is None else np.concatenate([time, time[-1] + 1.0 + time - time[0]])
    gone = values.copy()
    gone[:, 0] = np.nan
    far = values * 10.0
    far[len(far) // 2] = 1e30
    made = [(values[:1], None if time is None else time[:1]), (np.concatenate([values, values[::-1]]), twice)]
    made += [(gone, time), (np.full_like(values, np.nan), None), (far, time)]
    return [series_reading.written(names, each, when) for each, when in made]


def _odd_sounds(modality: Modality, schema: Mapping[str, Any], sample: bytes) -> list[bytes]:
    """Return silence, a click, noise at another rate in stereo, and the sample far too loud and three times over."""
    found = modality.decode(sample, schema)
    rate = int(schema["rate"])
    sound = found["sound"][0, : max(1, int(found["facts"][0, 0]))].astype(np.float64)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (4 * rate // 5, 2))
    click = np.array([0.9])
    made = [(np.zeros(rate // 4), rate), (click, rate), (noise, 2 * rate), (20.0 * sound, rate)]
    made += [(np.tile(sound, 3)[: 30 * rate], rate), (sound, rate // 2)]
    return [wav(samples, at) for samples, at in made]


def _odd_texts(modality: Modality, schema: Mapping[str, Any], sample: bytes) -> list[bytes]:
    """Return texts without a known word, of one word, of signs only, in other scripts and encodings, and a long one."""
    del modality, schema
    plain = sample.decode("utf-8", "replace").replace("\0", " ")
    return [
        "qzxv wqzk \u2603 zxqj".encode(),
        plain.split()[0].encode() if plain.split() else b"a",
        b"?!... :-)",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u4eca\u5929\u5929\u6c14 \u0645\u0631\u062d\u0628\u0627".encode(),
        plain.upper().encode("utf-16"),
        f"\u202e{plain} Z\u0351\u0351\u0351\u0351 \ufb01n".encode(),
        "d\u00e9j\u00e0 vu, na\u00efve".encode("cp1252"),
        " ".join([plain] * (1 + 20_000 // max(len(plain), 1))).encode(),
    ]


def _odd_pictures(modality: Modality, schema: Mapping[str, Any], sample: bytes) -> list[bytes]:
    """Return a corner of the picture and a wide mosaic of it, as BMP: the same bytes whatever wrote them."""
    from PIL import Image

    picture = modality.decode(sample, schema)["image"][0]
    picture = picture[:512, :512]
    height, width = picture.shape[:2]
    made = []
    for pixels in (picture[: height // 2 + 1, : width // 3 + 1], np.tile(picture, (1, 2, 1))[:, : width + width // 2]):
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="BMP")
        made.append(file.getvalue())
    return made
