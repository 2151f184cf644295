"""Checks of what is installed. Whatever may not import is imported in another process, never in this one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from modelwright.cli.check import Check

BASE = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "pillow": "PIL.Image",
    "blake3": "blake3",
    "cryptography": "cryptography",
    "PyYAML": "yaml",
}
"""Distributions of the runtime and what to import of each."""
BROKEN_BY_CUDA = ("torchvision", "torchaudio", "torchcodec")
"""From PyPI these are CUDA builds that do not load beside a CPU torch, and their mere presence breaks transformers."""
PATIENCE = 120.0
_PROBE = """
import importlib, json, sys
result = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        result[name] = ""
    except BaseException as error:
        result[name] = f"{type(error).__name__}: {error}"
    print(json.dumps({name: result[name]}), flush=True)
"""


def every() -> list[Check]:
    """Return all checks of packages."""
    checks = [python(), base(), *extras()]
    checks.extend(each for each in (torch(), *companions(), protobuf(), openmp()) if each is not None)
    return checks


def installed(name: str) -> str | None:
    """Return the version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def imports(names: list[str]) -> dict[str, str]:
    """Import modules in a fresh process, one after the other.

    Returns
    -------
    dict
        Name to what went wrong, empty where nothing did. One that kills the process, or takes two minutes, is told so.
    """
    results: dict[str, str] = {}
    left = list(names)
    while left:
        said, ended = _probe(left)
        results.update(said)
        left = [name for name in left if name not in results]
        if left and not ended:
            break
        if left:
            results[left[0]] = ended
            left = left[1:]
    return {name: results.get(name, "it was not tried") for name in names}


def _probe(names: list[str]) -> tuple[dict[str, str], str]:
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, *names],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            env=environment,
            check=False,
        )
        output, ended = done.stdout, f"it ended the process with status {done.returncode}"
    except subprocess.TimeoutExpired as error:
        said_so_far: bytes | str | None = error.stdout
        output = said_so_far.decode(errors="replace") if isinstance(said_so_far, bytes) else said_so_far or ""
        ended = f"it was not done after {PATIENCE:g} s"
    except OSError as error:
        return {}, str(error)
    said: dict[str, str] = {}
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            said.update({str(name): str(words) for name, words in value.items() if name in names})
    return said, ended


def python() -> Check:
    """Say which interpreter this is (pip lets no older one than 3.11 install Modelwright)."""
    return Check("python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def base() -> Check:
    """Check that what the runtime needs is there and loads."""
    versions = {name: installed(name) for name in BASE}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Check(
            "runtime",
            "fail",
            f"missing: {', '.join(missing)}",
            "nothing can be predicted without them",
            "pip install modelwright",
        )
    troubles = {name: words for name, words in imports(list(BASE.values())).items() if words}
    if troubles:
        name, words = next(iter(troubles.items()))
        return Check(
            "runtime",
            "fail",
            f"{name} does not load: {words}",
            "nothing can be predicted without it",
            f"pip install --force-reinstall {name.split('.')[0]}",
        )
    return Check("runtime", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def extras() -> list[Check]:
    """Say of each extra which of its distributions are there; a missing extra is no fault."""
    wanted: dict[str, list[str]] = {}
    requirements = metadata.requires("modelwright") if installed("modelwright") else None
    for line in requirements or []:
        found = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?[^;]*;(.*)", line)
        named = re.search(r"""extra\s*==\s*['"]([^'"]+)""", found[2]) if found else None
        if found and named and found[1].lower() != "modelwright":
            wanted.setdefault(named[1], []).append(found[1])
    return [extra(name, wanted[name]) for name in ("serve", "train", "postgres") if name in wanted]


def extra(name: str, distributions: list[str]) -> Check:
    """Say of one extra whether it is there, wholly or in part."""
    versions = {each: installed(each) for each in distributions}
    missing = [each for each, version in versions.items() if version is None]
    remedy = f"pip install 'modelwright[{name}]'"
    if not missing:
        return Check(f"extra {name}", "ok", ", ".join(f"{each} {version}" for each, version in versions.items()))
    if len(missing) == len(versions):
        return Check(f"extra {name}", "ok", f"not installed ({remedy})")
    found = f"in part; missing: {', '.join(missing)}"
    return Check(f"extra {name}", "warn", found, "commands that need them will ask for the extra", remedy)


def torch() -> Check | None:
    """Check that torch loads, and is not a CUDA build on a machine without a GPU."""
    version = installed("torch")
    if version is None:
        return None
    cpu = "--index-url https://download.pytorch.org/whl/cpu"
    if trouble := imports(["torch"])["torch"]:
        remedy = f"pip install --force-reinstall 'torch==2.13.0' {cpu}"
        return Check("torch", "fail", f"{version} does not load: {trouble}", "networks are trained with it", remedy)
    names = [f"nvidia-{part}{end}" for part in ("cublas", "cudnn") for end in ("", "-cu12", "-cu13")]
    libraries = [each for each in names if installed(each)]
    gpu = any(Path(place).exists() for place in ("/dev/nvidiactl", "/proc/driver/nvidia/version"))
    if libraries and not gpu:
        found = f"{version} with {', '.join(libraries)}, and no GPU here"
        remedy = f"in a fresh environment: pip install -c constraints.txt 'torch==2.13.0' {cpu}"
        return Check("torch", "warn", found, "gigabytes of GPU libraries that nothing here uses", remedy)
    return Check("torch", "ok", version)


def companions() -> list[Check]:
    """Check that torch's companions load where they are present."""
    present = [name for name in BROKEN_BY_CUDA if installed(name)]
    checks = []
    for name, trouble in imports(present).items():
        found = f"{installed(name)} does not load: {trouble}" if trouble else str(installed(name))
        if not trouble:
            checks.append(Check(name, "ok", found))
            continue
        checks.append(
            Check(
                name,
                "fail",
                found,
                "Modelwright does not use it, but its mere presence breaks transformers and everything on top of it",
                f"pip uninstall {name}",
            )
        )
    return checks


def protobuf() -> Check | None:
    """Check that protobuf is older than 7."""
    version = installed("protobuf")
    if version is None:
        return None
    if int(version.partition(".")[0]) >= 7:
        return Check(
            "protobuf",
            "fail",
            version,
            "since 7, converters of scikit-learn models fail or write wrong graphs",
            "pip install 'protobuf<7'",
        )
    return Check("protobuf", "ok", version)


def openmp() -> Check:
    """Check that the environment does not make OpenMP threads spin."""
    policy, spins = os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT")
    remedy = "unset OMP_WAIT_POLICY GOMP_SPINCOUNT KMP_BLOCKTIME; Modelwright sets them itself"
    why = "waiting threads spin and steal from those that work: fits of 1 s took up to 67 s on shared cores"
    if policy is not None and policy.strip().upper() != "PASSIVE":
        return Check("openmp", "warn", f"OMP_WAIT_POLICY={policy}", why, remedy)
    if spins not in {None, "0"}:
        return Check("openmp", "warn", f"GOMP_SPINCOUNT={spins}", why, remedy)
    if os.environ.get("KMP_BLOCKTIME") == "infinite":
        return Check("openmp", "warn", "KMP_BLOCKTIME=infinite", why, remedy)
    return Check("openmp", "ok", "threads sleep while they wait" + ("" if policy else " (Modelwright sees to it)"))
