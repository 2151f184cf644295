"""The step: a validated package becomes the champion of a target, and is served."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from modelwright.deploy import process
from modelwright.deploy.settings import ServeSettings
from modelwright.deploy.state import ServerStatus
from modelwright.errors import GateRefusedError, InputError
from modelwright.progress import SILENT, Progress

if TYPE_CHECKING:
    from modelwright.spec import Spec
    from modelwright.store import Artifact, Store


@dataclass(frozen=True)
class Deployment:
    """What deploying did."""

    target: str
    package: str
    champion: dict[str, Any]
    server: ServerStatus | None
    """None where no server was asked for."""


def deploy(
    spec: Spec,
    store: Store,
    package: Artifact,
    report: Artifact | None,
    *,
    by: str = "person",
    reason: str = "",
    force: bool = False,
    start: bool = True,
    progress: Progress = SILENT,
) -> Deployment:
    """Promote a package to champion of ``spec.deploy.to``, and see that a server serves it.

    Parameters
    ----------
    report
        The validation of this package.
    force
        Promote although the gate said no, or was never asked; the reason in the audit says so.
    start
        Whether a background server is started where none runs. One that runs swaps by itself.

    Raises
    ------
    GateRefusedError
        If the report's verdict is not ``accepted``.
    InputError
        If there is no report, or it is another package's.
    """
    target = spec.deploy.to
    why = reason or _verdict(package, report, force=force)
    current = store.deployments.champion(target)
    if current is None or current["package"] != package.digest:
        current = store.deployments.promote(target, package.digest, by=by, reason=why)["champion"]
        progress.say(f"{package.digest[:12]} is champion of {target!r}: {why}")
    server = None
    if start:
        server = process.status(store.root, target)
        if not server.running:
            server = process.start(settings_of(spec, store))
            progress.say(f"serving at {server.url}")
    return Deployment(target, package.digest, dict(current or {}), server)


def settings_of(spec: Spec, store: Store) -> ServeSettings:
    """Return what the spec says about serving."""
    return ServeSettings(
        store=store.root,
        target=spec.deploy.to,
        host=spec.deploy.host,
        port=spec.deploy.port,
        durability=cast("Literal['process', 'power']", spec.deploy.durability),
        contract=cast("Literal['off', 'warn', 'refuse']", spec.deploy.contract),
        certificate=None if spec.deploy.certificate is None else spec.resolve(spec.deploy.certificate),
        private_key=None if spec.deploy.private_key is None else spec.resolve(spec.deploy.private_key),
        allowed_hosts=spec.deploy.allowed_hosts,
        allowed_origins=spec.deploy.allowed_origins,
    )


def _verdict(package: Artifact, report: Artifact | None, *, force: bool) -> str:
    if report is None:
        if force:
            return "forced, without a validation"
        raise InputError(f"package {package.digest[:12]} was not validated", code="not-validated", hint="mw validate")
    if report.inputs.get("package") != package.digest:
        raise InputError(
            f"report {report.digest[:12]} is about package {str(report.inputs.get('package'))[:12]}, "
            f"not {package.digest[:12]}",
            code="wrong-report",
        )
    found = json.loads(report.path("report.json").read_bytes())
    reasons = "; ".join(str(each) for each in found.get("reasons", ()))
    if found.get("verdict") == "accepted":
        return f"accepted: {reasons}" if reasons else "accepted"
    if force:
        return f"forced, although refused: {reasons}"
    raise GateRefusedError(
        f"package {package.digest[:12]} was refused: {reasons}", hint="deploy with force to promote it all the same"
    )
