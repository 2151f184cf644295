"""From log records back to measures, by the package that answered them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.monitor.windows import Seen
from modelwright.runtime.predictor import group
from modelwright.runtime.reader import PROFILE, PackageReader
from modelwright.store import Store
from modelwright.store.logs import Record
from modelwright.tasks import judging
from modelwright.tasks.base import Arrays, Modality, UndecodableError, modality
from modelwright.tasks.contract import Contract
from modelwright.tasks.judging import Judging


@dataclass(frozen=True)
class InForce:
    """What monitoring needs of a package: how to decode and measure, and the profile."""

    digest: str
    name: str
    modality: Modality
    target: str
    schema: Mapping[str, Any]
    profile: Mapping[str, Any]
    contract: Contract

    @property
    def judging(self) -> Judging:
        """How its answers are compared with truths."""
        return judging.judging(self.target)


def open_package(store: Store, digest: str) -> InForce | None:
    """Return what is needed of a package, checked; None if the store has none of this digest or it has no profile.

    Raises
    ------
    IntegrityError
        If it is there and is not what its manifest says.
    """
    try:
        artifact = store.artifacts.open(digest, "package")
    except InputError as error:
        if error.code in {"no-such-artifact", "bad-digest"}:
            return None
        raise
    reader = PackageReader.open(artifact.folder)
    manifest = reader.manifest
    if PROFILE not in manifest["files"]:
        return None
    kind, schema = modality(manifest["task"]["modality"]), manifest["schema"]["input"]
    return InForce(
        digest=digest,
        name=manifest["name"],
        modality=kind,
        target=manifest["task"]["target"],
        schema=schema,
        profile=reader.read_json(PROFILE),
        contract=Contract(kind, schema),
    )


@dataclass(frozen=True)
class Batch:
    """A decoded batch: measures ``(n,)`` of inputs and predictions, certainties, who they were, how many failed.

    ``odd`` has the findings of each input beside the contract, whatever the server was told to do about such.
    """

    measures: Mapping[str, NDArray[Any]]
    answers: Mapping[str, NDArray[Any]]
    certainty: NDArray[np.float64]
    seen: Sequence[Seen]
    undecodable: int
    odd: Sequence[Sequence[Mapping[str, Any]]] = ()


def decode(records: Sequence[Record], package: InForce) -> Batch:
    """Decode and measure the inputs of some records, and read their answers.

    A record whose input cannot be decoded or whose answer is none counts as undecodable, and nothing else.
    """
    inputs: list[Arrays] = []
    answers: list[dict[str, Any]] = []
    seen: list[Seen] = []
    for record in records:
        answer = judging.read_answer(record.output, package.target)
        said = judging.said(record.output, package.target)
        if answer is None or said is None:
            continue
        try:
            inputs.append(package.modality.decode(record.input, package.schema))
        except UndecodableError:
            continue
        answers.append(answer)
        certainty = list(answer.values())[1]
        seen.append(
            Seen(record.sample, record.time, record.package, said, certainty if math.isfinite(certainty) else 0.0)
        )
    measured: list[dict[str, NDArray[Any]]] = []
    odd: list[list[dict[str, Any]]] = []
    for _, arrays in group(inputs):
        measured.append(package.modality.measure(arrays, package.schema))
        odd.extend(package.contract.check(arrays, measured[-1]).values())
    names = list(measured[0]) if measured else []
    return Batch(
        measures={name: np.concatenate([one[name] for one in measured]) for name in names},
        answers={name: _column([answer.get(name) for answer in answers]) for name in (answers[0] if answers else ())},
        certainty=np.array([one.certainty for one in seen], dtype=np.float64),
        seen=seen,
        undecodable=len(records) - len(seen),
        odd=odd,
    )


def _column(values: list[Any]) -> NDArray[Any]:
    return np.array(values, dtype=object if isinstance(values[0], str | None) else np.float64)
