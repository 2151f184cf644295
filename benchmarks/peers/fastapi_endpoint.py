"""The peer of the server benchmark: what a team writes in an afternoon with FastAPI, pydantic and onnxruntime.

It serves the same graph as Modelwright (``model.onnx`` of a package, pre- and post-processing inside) from its own
environment, without Modelwright, without a log, batching or checks::

    python fastapi_endpoint.py PACKAGE_FOLDER PORT

``POST /predict`` takes a row (checked by a pydantic model of the columns), or a picture's bytes. One worker, defaults
otherwise; httptools and uvloop from ``uvicorn[standard]``.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field, create_model

PYTHON_TYPES: dict[str, Any] = {"number": float | None, "boolean": bool | None, "category": str | None}


class Answer(BaseModel):
    """What a category is answered with."""

    label: str
    score: float
    scores: dict[str, float]


class Interval(BaseModel):
    """What a number is answered with."""

    value: float
    low: float
    high: float


def application(folder: Path) -> FastAPI:
    """Return the endpoint for the package in ``folder``."""
    manifest = json.loads((folder / "manifest.json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    classes = manifest["schema"]["output"].get("classes", [])
    app = FastAPI()

    def answer(inputs: dict[str, Any]) -> Answer | Interval:
        outputs = dict(zip(names, session.run(None, inputs), strict=True))
        if not classes:
            return Interval(**{name: float(outputs[name][0]) for name in ("value", "low", "high")})
        probabilities = outputs["probabilities"][0].tolist()
        scores = dict(zip(classes, probabilities, strict=True))
        return Answer(label=str(outputs["label"][0]), score=max(probabilities), scores=scores)

    if manifest["task"]["modality"] == "image":
        from PIL import Image

        @app.post("/predict")
        async def predict_picture(request: Request) -> Answer | Interval:
            picture = Image.open(io.BytesIO(await request.body())).convert("RGB")
            return answer({"image": np.asarray(picture)[None]})

        return app

    columns = manifest["schema"]["input"]["columns"]
    fields: dict[str, Any] = {
        column["tensor"]: (PYTHON_TYPES[column["kind"]], Field(default=None, alias=column["name"]))
        for column in columns
    }
    row_model = create_model("Row", **fields)

    def tensor(value: Any, kind: str) -> Any:
        if kind == "category":
            return np.array([["" if value is None else value]], dtype=object)
        return np.array([[np.nan if value is None else value]], dtype=np.float32)

    @app.post("/predict")
    async def predict_row(row: row_model) -> Answer | Interval:  # type: ignore[valid-type]
        return answer({column["tensor"]: tensor(getattr(row, column["tensor"]), column["kind"]) for column in columns})

    return app


if __name__ == "__main__":
    uvicorn.run(application(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
