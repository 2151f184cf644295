"""Stop the installation before a GPU build of torch pulls gigabytes onto a machine without a GPU.

Only the installed metadata is read; torch itself is not imported (its libraries may not be there yet).
"""

import platform
import sys
from importlib.metadata import version

found = version("torch")
if sys.platform == "linux" and platform.machine() == "x86_64" and not found.endswith("+cpu"):
    sys.exit(
        f"torch {found} is not the CPU build: it would bring gigabytes of GPU libraries. Give the address of an index "
        "with CPU builds, `make demo CPU_BUILDS=…`, or say `make demo GPU=1` if that is what you want."
    )
