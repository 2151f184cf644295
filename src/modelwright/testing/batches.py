"""The contract of a modality that looks at many small samples in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelwright.tasks.abilities import Batched, Glancing, Sketched

if TYPE_CHECKING:
    from modelwright.testing.modality import ModalityCase


def check_samples_looked_at_together_are_as_each_alone(case: ModalityCase) -> None:
    """What is scanned beside others must not depend on them: a dataset is the same however its files are taken."""
    made = case.modality
    if not isinstance(made, Batched) or not isinstance(made, Sketched):
        return
    read = made.glance if isinstance(made, Glancing) else made.decode
    groups = [([place], read(raw, {})) for place, raw in enumerate(case.raws)]
    groups += made.glance_many([*case.raws, b""])
    for places, inputs in groups:
        measured, sketches = made.measure(inputs, {}), made.sketch_many(inputs)
        remarkable = made.remarkable(inputs, measured)
        assert len(remarkable) == len(sketches.hashes) == len(places)
        for row, place in enumerate(places):
            alone = read(case.raws[place], {})  # an empty file is in no group
            for name, values in alone.items():
                np.testing.assert_array_equal(inputs[name][row : row + 1], values, err_msg=name)
            own = made.measure(alone, {})
            for name, values in own.items():
                np.testing.assert_array_equal(measured[name][row : row + 1], values, err_msg=name)
            assert bool(remarkable[row]) == bool(made.check(alone, own))
            sketch = made.sketch(alone)
            assert sketches.data[row].tobytes() == sketch.data
            assert (int(sketches.hashes[row]) if sketches.hashed[row] else None) == sketch.hash
