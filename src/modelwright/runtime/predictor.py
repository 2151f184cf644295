"""From raw bytes to answers: what a server, a batch job, validation and a device all call.

It needs numpy, onnxruntime and what the modality decodes with, and nothing of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import FormatTooNewError, InputError, IntegrityError, ModelwrightError
from modelwright.runtime.parity import Parity, compare, from_lists
from modelwright.runtime.session import open_session, run_session
from modelwright.tasks.abilities import Row, RowReader, Tabular
from modelwright.tasks.base import Arrays, Modality, Target, UndecodableError
from modelwright.tasks.base import modality as load_modality
from modelwright.tasks.base import target as load_target

MAX_BATCH = 64
"""Most samples in one run of the graph."""
LARGEST_ROW = 100_000
"""Most bytes of a row that takes the short way of :meth:`Predictor.decode_row`; above, ``decode`` knows the limits."""
MAX_BATCH_BYTES = 128 << 20
"""Most bytes of decoded samples that wait for one run; one sample may be larger."""


class Opened(Protocol):
    """What a predictor needs of a package: a :class:`~modelwright.runtime.reader.PackageReader`, as a rule."""

    @property
    def path(self) -> Path:
        """Where it is, for messages."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The parsed manifest."""

    def model(self) -> bytes:
        """Return the graph."""

    def read(self, name: str) -> bytes:
        """Return one file."""

    def golden(self) -> list[dict[str, Any]]:
        """Return the golden entries."""


class Predictor:
    """Answers raw samples with one package.

    Parameters
    ----------
    reader
        A package that was opened, and so checked. It may be closed afterwards: all that is needed is read here, but
        the golden samples.
    threads
        Threads inside one operator of the graph.

    Raises
    ------
    FormatTooNewError
        If the package was made for a newer version of its modality or target than this one.
    IntegrityError
        If the graph cannot be opened, or is not what the manifest describes.
    InputError
        If its modality or target is not known here.

    Notes
    -----
    Thread-safe: nothing changes after construction, and onnxruntime sessions may be run from several threads.
    """

    def __init__(self, reader: Opened, threads: int = 1) -> None:
        manifest = reader.manifest
        self.reader = reader
        self.manifest = manifest
        self.modality: Modality = load_modality(manifest["task"]["modality"])
        self.target: Target = load_target(manifest["task"]["target"])
        for kind, ours in (("modality", self.modality.version), ("target", self.target.version)):
            if manifest[f"{kind}_version"] > ours:
                raise FormatTooNewError(
                    f"the package {reader.path} was made for version {manifest[f'{kind}_version']} of the {kind} "
                    f"{manifest['task'][kind]!r}; this Modelwright has version {ours}",
                    hint="pip install --upgrade modelwright",
                )
        self.input_schema: Mapping[str, Any] = manifest["schema"]["input"]
        self.output_schema: Mapping[str, Any] = manifest["schema"]["output"]
        self.output_names: list[str] = [entry["name"] for entry in manifest["output"]]
        self._rows: RowReader | None = None
        if isinstance(self.modality, Tabular):
            self._rows = self.modality.rows(self.input_schema)
        self._session = open_session(reader.model(), threads)
        self._wanted = {value.name for value in self._session.get_inputs()}
        self._check_signature_of_graph()

    def _check_signature_of_graph(self) -> None:
        """A graph may leave an input out that it does not need (a constant column); it may not ask for another one."""
        has = {value.name for value in self._session.get_outputs()}
        said = {entry["name"] for entry in self.manifest["input"]["tensors"]}
        if not self._wanted <= said:
            raise IntegrityError(
                f"{self.reader.path}: its graph has the inputs {sorted(self._wanted)}; its manifest says {sorted(said)}"
            )
        if has != set(self.output_names):
            raise IntegrityError(
                f"{self.reader.path}: its graph has the outputs {sorted(has)}; its manifest says {self.output_names}"
            )

    def decode(self, raw: bytes) -> Arrays:
        """Turn one raw sample into the graph's inputs, first axis of length 1.

        Raises
        ------
        InputError
            If it is not a usable sample; ``code`` is the problem's kind (``corrupt``, ``wrong-format`` …).
        """
        try:
            return self.modality.decode(raw, self.input_schema)
        except UndecodableError as error:
            raise self._unusable(error) from error

    def decode_row(self, raw: bytes, row: Mapping[str, Any]) -> Arrays | Row:
        """Do what :meth:`decode` does for a JSON object that was parsed already, and cheaper where the modality can.

        Parameters
        ----------
        raw
            Its canonical JSON.
        row
            The object.

        Returns
        -------
        Arrays or Row
            For :meth:`stack`.

        Raises
        ------
        InputError
            As :meth:`decode`.
        """
        if self._rows is None or len(raw) > LARGEST_ROW:
            return self.decode(raw)
        try:
            return self._rows.read(row)
        except UndecodableError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: UndecodableError) -> InputError:
        return InputError(
            error.problem.message,
            code=error.problem.kind,
            hint=f"send one of: {', '.join(self.manifest['input']['media_types'])}"
            if error.problem.kind == "wrong-format"
            else "",
        )

    def stack(self, decoded: Sequence[Arrays | Row]) -> Iterator[tuple[list[int], Arrays]]:
        """Stack decoded samples and rows, and yield ``(their positions, the stacked inputs)``; see :func:`group`."""
        rows = [(place, each) for place, each in enumerate(decoded) if isinstance(each, tuple)]
        if rows and self._rows is not None:
            yield [place for place, _ in rows], self._rows.stack([row for _, row in rows])
        if len(rows) == len(decoded):
            return
        others = [(place, each) for place, each in enumerate(decoded) if not isinstance(each, tuple)]
        for positions, stacked in group([arrays for _, arrays in others]):
            yield [others[position][0] for position in positions], stacked

    def run(self, batch: Arrays) -> Arrays:
        """Run the graph on stacked inputs, first axis the sample.

        Raises
        ------
        InputError
            If their names, types or shapes do not fit.
        ModelwrightError
            If the graph fails.
        """
        feed = {name: array for name, array in batch.items() if name in self._wanted}
        return run_session(self._session, feed, self.output_names)

    def answers(self, outputs: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
        """Turn the graph's outputs into JSON-ready answers, one per sample."""
        return [prediction.as_dict() for prediction in self.target.decode(outputs, self.output_schema)]

    def outputs(
        self, raws: Iterable[bytes], advance: Callable[[int], None] | None = None, *, decoders: int = 1
    ) -> Arrays:
        """Return the graph's outputs for raw samples, in their order; empty where there are none.

        Parameters
        ----------
        raws
            Any number of them: only a batch is held in memory, and the outputs.
        advance
            Called with the number of samples that are done.
        decoders
            Threads that decode. More help with pictures, whose decoder runs outside of the interpreter's lock; the
            outputs are the same.

        Raises
        ------
        InputError
            At the first sample that cannot be decoded, naming its position.
        """
        parts: list[Arrays] = []
        for _, decoded in self._decoded(raws, decoders=decoders):
            parts.append(scatter([(where, self.run(batch)) for where, batch in group(decoded)], len(decoded)))
            if advance:
                advance(len(decoded))
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}

    def _decoded(
        self, raws: Iterable[bytes], failures: dict[int, InputError] | None = None, decoders: int = 1
    ) -> Iterator[tuple[list[int], list[Arrays]]]:
        """Yield positions and decoded samples, few enough at a time to bound memory.

        Samples that cannot be decoded go to ``failures`` by their position; without it, the first is raised.
        """
        positions: list[int] = []
        decoded: list[Arrays] = []
        waiting = 0
        for index, arrays in enumerate(_mapped(self._attempt, raws, decoders)):
            if isinstance(arrays, InputError):
                if failures is None:
                    raise InputError(f"sample {index}: {arrays.message}", code=arrays.code, hint=arrays.hint)
                failures[index] = arrays
                continue
            positions.append(index)
            decoded.append(arrays)
            waiting += sum(array.nbytes for array in arrays.values())
            if len(decoded) == MAX_BATCH or waiting > MAX_BATCH_BYTES:
                yield positions, decoded
                positions, decoded, waiting = [], [], 0
        if decoded:
            yield positions, decoded

    def _attempt(self, raw: bytes) -> Arrays | InputError:
        try:
            return self.decode(raw)
        except InputError as error:
            return error

    def predict(self, raws: Sequence[bytes], on_error: Literal["raise", "report"] = "raise") -> list[dict[str, Any]]:
        """Answer raw samples, one answer each, in their order.

        Parameters
        ----------
        raws
            Raw bytes as production sends them: an image file, the JSON of a table's row.
        on_error
            ``raise``: the first bad sample is an error. ``report``: its answer is ``{"error": {"code", "message",
            "hint"}}``, and the others are answered.

        Raises
        ------
        InputError
            With ``on_error="raise"``, naming the position of the sample.
        """
        if on_error == "raise":
            return self.answers(self.outputs(raws)) if raws else []
        answers: list[dict[str, Any]] = [{} for _ in raws]
        failures: dict[int, InputError] = {}
        for positions, decoded in self._decoded(raws, failures):
            for where, batch in group(decoded):
                try:
                    found: list[dict[str, Any]] = self.answers(self.run(batch))
                except ModelwrightError as error:
                    found = [{"error": error.as_dict()} for _ in where]
                for index, answer in zip(where, found, strict=True):
                    answers[positions[index]] = answer
        for index, failure in failures.items():
            answers[index] = {"error": failure.as_dict()}
        return answers

    def measures(self, raws: Sequence[bytes]) -> dict[str, NDArray[Any]]:
        """Return the modality's measures of raw samples, each ``(n,)``, in their order."""
        found = [self.modality.measure(self.decode(raw), self.input_schema) for raw in raws]
        return {name: np.concatenate([each[name] for each in found]) for name in (found[0] if found else ())}

    def check_golden(self) -> Parity:
        """Replay the golden samples from their raw bytes and compare with the trained model's own answers.

        Both alone and batched, because a graph may have a batch size fixed in it without saying so.

        Returns
        -------
        Parity
            ``passed`` where the largest difference is at most 1e-4.
        """
        entries = self.reader.golden()
        dtypes = {entry["name"]: entry["dtype"] for entry in self.manifest["output"]}
        try:
            expected = from_lists([entry["outputs"] for entry in entries], dtypes)
        except (ValueError, TypeError, KeyError) as error:
            raise IntegrityError(
                f"{self.reader.path}: the golden outputs are not arrays of one shape ({error})"
            ) from error
        raws = [self.reader.read(entry["input"]) for entry in entries]
        parts: list[tuple[list[int], Arrays]] = []
        alone: list[tuple[list[int], Arrays]] = []
        for positions, decoded in self._decoded(raws):
            parts += [([positions[i] for i in where], self.run(batch)) for where, batch in group(decoded)]
            alone += [([index], self.run(arrays)) for index, arrays in zip(positions, decoded, strict=True)]
        found = [compare(expected, scatter(each, len(raws)), self.output_schema) for each in (parts, alone)]
        return max(found, key=lambda parity: parity.largest_difference)


def _mapped(
    decode: Callable[[bytes], Arrays | InputError], raws: Iterable[bytes], threads: int
) -> Iterator[Arrays | InputError]:
    """Decode in order, with at most four samples a thread in flight."""
    if threads <= 1:
        yield from map(decode, raws)
        return
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    flying: deque[Future[Arrays | InputError]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for raw in raws:
            flying.append(pool.submit(decode, raw))
            if len(flying) > 4 * threads:
                yield flying.popleft().result()
        while flying:
            yield flying.popleft().result()


def group(decoded: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
    """Stack decoded samples of equal shapes, and yield ``(their positions, the stacked inputs)``.

    Pictures of different sizes cannot share a batch; rows of a table always can.
    """
    groups: dict[tuple[tuple[str, tuple[int, ...]], ...], list[int]] = {}
    for index, arrays in enumerate(decoded):
        groups.setdefault(tuple((name, array.shape[1:]) for name, array in arrays.items()), []).append(index)
    for positions in groups.values():
        first = decoded[positions[0]]
        if len(positions) == 1:
            yield positions, first
        else:
            yield positions, {name: np.concatenate([decoded[i][name] for i in positions]) for name in first}


def scatter(parts: Sequence[tuple[list[int], Arrays]], count: int) -> Arrays:
    """Put the outputs of groups back into the order of their samples: the reverse of :func:`group`."""
    if len(parts) == 1 and parts[0][0] == list(range(count)):
        return parts[0][1]
    whole: Arrays = {}
    for positions, outputs in parts:
        for name, array in outputs.items():
            if name not in whole:
                whole[name] = np.empty((count, *array.shape[1:]), dtype=array.dtype)
            whole[name][positions] = array
    return whole
