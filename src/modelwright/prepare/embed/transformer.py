"""Embeddings by weights that `transformers` knows: a folder with ``config.json`` and ``model.safetensors``."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.embed.base import pooled
from modelwright.prepare.embed.preparation import Prepare


class Transformer:
    """A pretrained network without its head.

    Parameters
    ----------
    folder
        Configuration and weights; opened offline, safetensors alone, without code from the folder.
    prepare
        Makes inputs of samples.
    identity
        Digest of the folder's files.

    Raises
    ------
    InputError
        ``missing-extra``; ``bad-weights`` if the library cannot open it.
    """

    supervised = False

    def __init__(self, folder: Path, prepare: Prepare, identity: str) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        try:
            import torch
            from transformers import AutoModel
            from transformers.utils import logging
        except ImportError:
            raise InputError(
                f"{folder} holds weights for the package 'transformers'",
                code="missing-extra",
                hint="pip install 'modelwright[pretrained]', or give the model as model.onnx",
            ) from None
        bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            model = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
        except Exception as error:  # the library raises classes of half a dozen others
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"the weights in {folder} cannot be opened: {first[:300]}", code="bad-weights") from error
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
        self._model: Any = model.eval()
        self._prepare = prepare
        self._one = threading.Lock()
        self.identity = identity
        self.name = f"{type(model).__name__} in {folder.name}"

    def embed(self, raw: bytes) -> NDArray[np.float32]:
        """Return ``(d,)``: the mean of the last hidden states, of length 1."""
        import torch

        inputs = self._prepare(raw)
        with self._one, torch.inference_mode():
            fed = {name: torch.from_numpy(values) for name, values in inputs.items() if name != "token_type_ids"}
            try:
                found = self._model(**fed)
            except Exception as error:  # shapes that do not fit, of any layer
                raise InputError(f"{self.name} fails on a sample: {error}", code="bad-weights") from error
        hidden = getattr(found, "last_hidden_state", None)
        if hidden is None:
            raise InputError(f"{self.name} has no last hidden state", code="no-embedding")
        mask = inputs.get("attention_mask")
        return pooled(hidden.numpy(), None if mask is None else mask.astype(bool))
