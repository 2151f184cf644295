"""The background server's own process: ``python -m modelwright.deploy.child ROOT PIPE``, settings on standard input."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from modelwright.deploy.settings import from_mapping
from modelwright.errors import ModelwrightError


def main(arguments: list[str]) -> int:
    """Serve until told to stop; return the exit status."""
    root, pipe = Path(arguments[0]), int(arguments[1])
    # Nothing here multiplies matrices with numpy; its library would begin with threads and buffers for every core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    def tell(message: dict[str, object]) -> None:
        with os.fdopen(pipe, "wb") as file:
            file.write(json.dumps(message).encode())

    ready = False

    def on_ready(url: str) -> None:
        nonlocal ready
        ready = True
        tell({"url": url})

    try:
        from modelwright.deploy.server import serve

        settings = from_mapping(json.loads(sys.stdin.buffer.read()), root)
        serve(settings, on_ready)
    except ModelwrightError as error:
        if not ready:
            tell({"error": error.as_dict(), "exit_status": error.exit_status})
        sys.stderr.write(f"modelwright: {error.message}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
