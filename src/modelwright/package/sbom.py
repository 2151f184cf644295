"""The bill of materials, CycloneDX 1.6: the model and what runs it, with the versions that were tested.

Times and random serial numbers are left out or derived: the same package has the same bill.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from importlib import metadata

from modelwright import canonical
from modelwright.errors import ModelwrightError

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def runtime_distributions() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return name → (version, names it needs) for Modelwright and what its base install brings, as installed here."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    waiting = ["modelwright"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # a requirement of another platform
        needs = tuple(sorted(_requirements(distribution)))
        found[name] = (distribution.version, needs)
        waiting += needs
    return {name: (version, tuple(n for n in needs if n in found)) for name, (version, needs) in sorted(found.items())}


def _requirements(distribution: metadata.Distribution) -> set[str]:
    """Return normalised names of what a distribution always needs: extras are optional, and so left out."""
    needed = set()
    for line in distribution.requires or ():
        requirement, _, marker = line.partition(";")
        match = _REQUIREMENT.match(requirement)
        if match and "extra" not in marker:
            needed.add(re.sub(r"[-_.]+", "-", match.group(1)).lower())
    return needed


def bill(name: str, description: str, files: Mapping[str, bytes]) -> bytes:
    """Return ``sbom.cdx.json``.

    Parameters
    ----------
    name
        Of the package.
    description
        One line on what the model does.
    files
        The graphs, listed as components of type ``machine-learning-model`` with their BLAKE3 digests.

    Raises
    ------
    ModelwrightError
        If the library that writes it refuses a value.
    """
    from cyclonedx.exception import CycloneDxException
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    digests = {file: canonical.digest_bytes(data) for file, data in files.items()}
    try:
        root = Component(
            name=name,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"package:{name}",
            description=description or None,
            components=[
                Component(
                    name=file,
                    type=ComponentType.MACHINE_LEARNING_MODEL,
                    bom_ref=f"file:{file}",
                    hashes=[HashType(alg=HashAlgorithm.BLAKE3, content=digest)],
                )
                for file, digest in sorted(digests.items())
            ],
        )
        installed = runtime_distributions()
        libraries = {
            each: Component(
                name=each,
                version=version,
                type=ComponentType.LIBRARY,
                bom_ref=f"pypi:{each}",
                purl=PackageURL("pypi", name=each, version=version),
            )
            for each, (version, _) in installed.items()
        }
        made = Bom(components=libraries.values(), metadata=BomMetaData(component=root))
        made.register_dependency(root, [libraries["modelwright"]] if "modelwright" in libraries else [])
        for each, (_, needs) in installed.items():
            made.register_dependency(libraries[each], [libraries[need] for need in needs])
        document = json.loads(JsonV1Dot6(made).output_as_string())
    except (CycloneDxException, ValueError) as error:
        raise ModelwrightError(f"the bill of materials cannot be written: {error}", code="bill-failed") from error
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    for key in ("components", "dependencies"):
        document[key].sort(key=lambda entry: entry.get("bom-ref", entry.get("ref", "")))
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, canonical.digest_value(document))}"
    return canonical.dumps(document)
