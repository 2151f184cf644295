"""The step: a Model becomes a Package, or is refused because it would not answer as it was trained to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import InputError, IntegrityError, ModelwrightError
from modelwright.package import card, golden, merge, sbom
from modelwright.package.draft import Answers, Draft, answer
from modelwright.progress import SILENT, Progress
from modelwright.runtime.parity import LIMIT, Parity, compare
from modelwright.runtime.predictor import Predictor
from modelwright.runtime.profile import ProfileBuilder
from modelwright.runtime.reader import FORMAT, SIGNATURE, PackageReader
from modelwright.tasks.abilities import Decided
from modelwright.tasks.base import modality as load_modality
from modelwright.tasks.base import target as load_target

if TYPE_CHECKING:
    from modelwright.models.pipeline import TrainedModel
    from modelwright.spec import Spec
    from modelwright.store import Artifact, Store
    from modelwright.store.dataset import Dataset

PARITY_SAMPLES = 256
"""Validation samples, besides the golden ones, on which the packaged graph is compared with the trained model."""


def package(
    spec: Spec,
    dataset: Dataset,
    model: Artifact,
    store: Store,
    *,
    key: tuple[str, str] | None = None,
    progress: Progress = SILENT,
) -> Artifact:
    """Make the deployable package of a model.

    Preprocessing, model and post-processing become one ONNX graph; golden samples, chosen from the validation split,
    carry the trained model's own answers; the graph must reproduce them, from raw bytes, alone and in a batch.

    Parameters
    ----------
    spec
        The project's spec: name, problem, ``package``.
    dataset
        What the model was trained on.
    model
        The artifact of kind ``model``.
    store
        Where the package is published; its key signs it.
    key
        Step-cache key.
    progress
        Listener.

    Returns
    -------
    Artifact
        Of kind ``package``. The signature and ``parity.json`` are attached: they depend on the key and the machine.

    Raises
    ------
    ModelwrightError
        ``no-parity``: the packaged graph answers differently; the message names the sample and the difference.
        ``export-failed``: the graphs cannot be merged.
    InputError
        If the spec asks for an optimisation that does not exist, or there are no samples to prove the package with.
    """
    from modelwright.models.pipeline import TrainedModel

    _check_optimisations(spec)
    folder = model.folder / "content"
    for name in model.files:
        model.path(name)  # checks the bytes against their digest
    trained = TrainedModel(folder)
    schema = _read_json(folder / "schema.json")
    progress.say("one graph of preprocessing, model and post-processing; weights in float32, nothing is optimised away")
    graph = _graph(folder, trained, schema)
    draft = Draft(folder, _manifest(spec, dataset, model, schema, trained, graph), graph, {}, [])
    predictor = Predictor(draft)
    split = "validation" if dataset.count("validation") else "train"
    if split == "train":
        progress.say("there is no validation split: golden samples and the profile of predictions come from training")
    answers = answer(predictor, dataset, split, progress)
    samples = _golden_samples(dataset, split, predictor, answers)
    progress.say(f"{len(samples)} golden samples: every class, the extremes, the least sure, odd ones made up")
    draft, files, parity = _prove(draft, trained, predictor, samples, _spread(dataset, split))
    progress.say(f"largest difference to the trained model: {parity.largest_difference:.2g} (limit {LIMIT:g})")
    profile = _profile(dataset, predictor, answers)
    metrics = predictor.target.metrics(answers.truth, answers.outputs, schema["output"])
    files["profile.json"] = canonical.dumps(profile)
    facts = card.Facts(
        spec.name, spec.problem, draft.manifest, dataset.meta, model.meta, metrics, len(samples), profile
    )
    files["card.md"] = card.write(facts)
    files["sbom.cdx.json"] = sbom.bill(spec.name, " ".join(spec.problem.split()), {"model.onnx": graph})
    files["model.onnx"] = graph
    return _publish(store, draft.manifest, files, parity, (dataset.digest, model.digest), key)


def _check_optimisations(spec: Spec) -> None:
    if spec.package.optimise:
        raise InputError(
            f"package.optimise: {spec.package.optimise[0]!r} is not an optimisation; there are none yet",
            code="bad-spec",
            hint="write `optimise: []`, or leave it out",
        )


def _graph(folder: Path, trained: TrainedModel, schema: Mapping[str, Any]) -> bytes:
    import onnx

    try:
        preprocess = onnx.load_model_from_string((folder / "preprocess.onnx").read_bytes())
    except Exception as error:  # protobuf's own DecodeError is of no public base class
        raise IntegrityError(f"{folder / 'preprocess.onnx'} is not an ONNX graph") from error
    calibration = _read_json(folder / "calibration.json")
    postprocess = load_target(schema["target"]).graph(schema["output"], calibration)
    return merge.merge(preprocess, trained.to_onnx(), postprocess)


def _manifest(
    spec: Spec, dataset: Dataset, model: Artifact, schema: Mapping[str, Any], trained: TrainedModel, graph: bytes
) -> dict[str, Any]:
    """Return the manifest without its files."""
    modality = load_modality(schema["modality"])
    output = dict(schema["output"])
    if isinstance(trained.target, Decided):
        output["thresholds"] = trained.target.thresholds(output, trained.calibration)
    return {
        "format": FORMAT,
        "name": spec.name,
        "task": {"modality": schema["modality"], "target": schema["target"]},
        "modality_version": schema["modality_version"],
        "target_version": schema["target_version"],
        "schema": {"input": schema["input"], "output": output},
        "input": {"media_types": list(modality.media_types), "tensors": modality.describe(schema["input"])},
        "output": merge.signature(graph),
        "graphs": {"model": "model.onnx"},
        "family": model.meta["family"],
        "lineage": {"dataset": dataset.digest, "model": model.digest},
    }


def _golden_samples(dataset: Dataset, split: str, predictor: Predictor, answers: Answers) -> list[bytes]:
    if not len(answers.truth):
        raise InputError("the dataset has no samples with which the package could be proven", code="no-samples")
    target = predictor.target
    worth = golden.choose(
        answers.truth,
        target.per_sample_loss(answers.truth, answers.outputs),
        target.uncertainty(answers.outputs),
        {name: values[answers.indices] for name, values in dataset.measures(split).items()},
    )
    chosen = answers.indices[worth]
    first = next(dataset.raw(split, chosen[:1]))
    odd = golden.edge_cases(predictor.modality, predictor.input_schema, first)
    # A small validation split is topped up from training, where every class is.
    count = dataset.count("train")
    more = np.unique(np.linspace(0, count - 1, min(count, golden.COUNT)).astype(np.int64))
    return golden.bounded(chain(odd, dataset.raw(split, chosen), dataset.raw("train", more)))[: golden.COUNT]


def _spread(dataset: Dataset, split: str) -> list[bytes]:
    """Return further samples, evenly spread over a split, on which parity is checked but which are not packaged."""
    count = dataset.count(split)
    indices = np.unique(np.linspace(0, count - 1, min(count, PARITY_SAMPLES)).astype(np.int64))
    return golden.bounded(dataset.raw(split, indices), limit=64 << 20)


def _prove(
    draft: Draft, trained: TrainedModel, predictor: Predictor, samples: list[bytes], others: list[bytes]
) -> tuple[Draft, dict[str, bytes], Parity]:
    """Compare the packaged graph with the trained model; return the draft with its golden samples, and their files."""
    expected = trained.outputs(samples)
    _check_finite(expected)
    files = {f"golden/inputs/{index}.bin": raw for index, raw in enumerate(samples)}
    entries: list[dict[str, Any]] = [
        {
            "input": f"golden/inputs/{index}.bin",
            "outputs": {name: _as_lists(expected[name][index]) for name in sorted(expected)},
        }
        for index in range(len(samples))
    ]
    files["golden/expected.json"] = canonical.dumps(entries)
    proven = Draft(draft.path, draft.manifest, draft.graph, files, entries)
    replayed = Predictor(proven).check_golden()
    _refuse_unless_equal(replayed, "golden sample")
    spread = compare(trained.outputs(others), predictor.outputs(others), draft.manifest["schema"]["output"])
    _refuse_unless_equal(spread, "validation sample")
    parity = max(replayed, spread, key=lambda each: each.largest_difference)
    return proven, files, parity


def _as_lists(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _check_finite(outputs: Mapping[str, NDArray[Any]]) -> None:
    for name, values in outputs.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            where = int(np.argwhere(~np.isfinite(values))[0][0])
            raise ModelwrightError(
                f"the trained model's {name!r} for golden sample {where} is not a finite number",
                code="not-finite",
                hint="look at the inputs' range, or choose another model family",
            )


def _refuse_unless_equal(parity: Parity, what: str) -> None:
    if not parity.passed:
        raise ModelwrightError(
            f"the packaged graph does not answer as the trained model: {what} {parity.worst} differs by "
            f"{parity.largest_difference:.3g} in {parity.output!r} (limit {parity.limit:g})",
            code="no-parity",
            hint="this is an error in the export of the model family; choose another one under `train: {models: …}`",
        )


def _profile(dataset: Dataset, predictor: Predictor, answers: Answers) -> dict[str, Any]:
    builder = ProfileBuilder()
    # What production should look like is what was seen in the world, not what was made for training.
    real = ~dataset.synthetic("train")
    builder.add_inputs({name: values[real] for name, values in dataset.measures("train").items()})
    classes = predictor.output_schema.get("classes", ())
    builder.add_predictions(answers.outputs, answers.truth, predictor.target, classes)
    return builder.finish()


def _publish(
    store: Store,
    manifest: Mapping[str, Any],
    files: Mapping[str, bytes],
    parity: Parity,
    made_from: tuple[str, str],
    key: tuple[str, str] | None,
) -> Artifact:
    listing = {
        name: {"digest": canonical.digest_bytes(data), "size": len(data)} for name, data in sorted(files.items())
    }
    raw = canonical.dumps({**manifest, "files": listing})
    signed = _sign(store, raw)
    with store.artifacts.begin("package") as writer:
        for name, data in {**files, "manifest.json": raw}.items():
            writer.file(name).write_bytes(data)
        writer.attach(SIGNATURE).write_bytes(signed)
        writer.attach("parity.json").write_bytes(canonical.dumps(parity.as_dict()))
        # The package is opened once as everybody else will open it, before it exists for anybody.
        content, signature = writer.file("manifest.json").parent, writer.attach(SIGNATURE)
        with PackageReader.open(content, signature=signature):
            pass
        meta = {
            "name": manifest["name"],
            "modality": manifest["task"]["modality"],
            "target": manifest["task"]["target"],
            "family": manifest["family"],
            "golden": sum(name.startswith("golden/inputs/") for name in files),
        }
        return writer.publish(meta, {"dataset": made_from[0], "model": made_from[1]}, key)


def _sign(store: Store, manifest: bytes) -> bytes:
    signing = store.keys.signing()
    public = signing.public_key().public_bytes_raw().hex()
    return canonical.dumps({"algorithm": "ed25519", "public_key": public, "signature": signing.sign(manifest).hex()})


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path} cannot be read as JSON: {error}") from error
    return found
