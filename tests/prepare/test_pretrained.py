"""Embeddings by weights that `transformers` saved: pictures, texts and sounds, made small and random here."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modelwright.errors import InputError
from modelwright.prepare.embed.places import files
from modelwright.prepare.embed.preparation import MOST_TOKENS, Pictures, Texts
from modelwright.prepare.embed.pretrained import open_place
from modelwright.testing import sounds

from .conftest import Project, issues, picture

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "pump",
    "is",
    "loud",
    "quiet",
    "broken",
    "fine",
    "and",
    "runs",
    "stops",
]


def vision(root: Path) -> Path:
    """Save a small vision transformer."""
    import torch

    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=32, patch_size=8
    )
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(root)
    told = {"do_resize": True, "size": {"height": 32, "width": 32}, "resample": 2, "do_rescale": True}
    told |= {"rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (root / "preprocessor_config.json").write_text(json.dumps(told))
    return root


def language(root: Path) -> Path:
    """Save a small BERT and its tokenizer."""
    import torch

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=MOST_TOKENS,
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(root)
    made = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(vocab={word: code for code, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.save(str(root / "tokenizer.json"))
    return root


def hearing(root: Path) -> Path:
    """Save a small wav2vec 2."""
    import torch

    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        conv_dim=[16, 16],
        conv_stride=[10, 8],
        conv_kernel=[20, 16],
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    transformers.Wav2Vec2Model(config).save_pretrained(root)
    (root / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 8000, "do_normalize": True}))
    return root


def test_pictures_are_embedded_as_the_library_does(tmp_path: Path) -> None:
    """With its own model and its own preparation beside ours."""
    import torch

    root = vision(tmp_path)
    ours = open_place(root, "image", "0" * 64)
    raw = picture(3, (60, 44), kind="PNG")
    found = ours.embed(raw)
    model = transformers.ViTModel.from_pretrained(root, add_pooling_layer=False).eval()
    pixels = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
    given = torch.from_numpy((pixels / 255.0 - 0.5) / 0.5).float().permute(2, 0, 1)[None]
    with torch.inference_mode():
        hidden = model(pixel_values=given).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(found, hidden / np.linalg.norm(hidden), atol=1e-5)
    assert not ours.supervised
    assert np.array_equal(found, ours.embed(raw))


@pytest.mark.parametrize("size", [(300, 200), (90, 260), (224, 224)])
def test_pictures_are_prepared_as_the_library_does(size: tuple[int, int]) -> None:
    """Short side resized, the middle cut out, scaled."""
    told: dict[str, Any] = {
        "do_resize": True,
        "size": {"shortest_edge": 128},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 112, "width": 112},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.48, 0.45, 0.40],
        "image_std": [0.26, 0.26, 0.27],
    }
    raw = picture(1, size, kind="PNG")
    ours = Pictures.of(told, Path("preprocessor_config.json"))(raw)["pixel_values"]
    theirs = transformers.CLIPImageProcessorPil(**told)(Image.open(io.BytesIO(raw)).convert("RGB"), return_tensors="np")
    np.testing.assert_allclose(ours, theirs["pixel_values"], atol=0.02)


def test_texts_and_their_longest(tmp_path: Path) -> None:
    root = language(tmp_path)
    texts = Texts(root)
    assert texts(b"The pump is LOUD")["input_ids"].tolist() == [[4, 5, 6, 7]]
    assert texts(b"loud " * 5000)["input_ids"].shape == (1, MOST_TOKENS)
    ours = open_place(root, "text", "0" * 64)
    one, same, other = (ours.embed(raw) for raw in (b"the pump is loud", b"The  pump is loud", b"runs and stops"))
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert np.abs(one - other).max() > 0.01
    np.testing.assert_allclose(np.linalg.norm(other), 1.0, rtol=1e-5)


def test_sounds_at_the_rate_of_the_model(tmp_path: Path) -> None:
    ours = open_place(hearing(tmp_path), "audio", "0" * 64)
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32) * 0.5
    found = ours.embed(sounds.wav(tone.astype(np.float64), 16000))
    softer = ours.embed(sounds.wav(tone * 0.5, 16000))
    assert found.shape == (32,)
    np.testing.assert_allclose(found, softer, atol=2e-2)  # 16 bits are coarser where it is softer


@pytest.mark.slow
def test_a_dataset_of_texts_by_pretrained_weights(project: Project) -> None:
    language(project.root / "weights")
    kinds = {"good": "the pump is fine and runs quiet", "bad": "the pump is broken loud and stops"}
    for kind, words in kinds.items():
        (project.root / "texts" / kind).mkdir(parents=True)
        for number in range(40):
            chosen = np.random.default_rng(number).permutation(words.split())
            (project.root / "texts" / kind / f"{number}.txt").write_text(" ".join([*chosen, f"{number}"]))
    dataset = project.prepare("input: text\nsources:\n  - folder: texts\nclean: {embeddings: weights}\n")
    assert dataset.meta["embeddings"]["name"] == "BertModel in weights"
    assert "embeddings by BertModel" in dataset.meta["label_check"]["how"]
    assert any("embeddings: by BertModel in weights" in line for line in project.listener.said)
    assert not issues(dataset, "corrupt")


@pytest.mark.parametrize(("make", "modality"), [(vision, "image"), (language, "text"), (hearing, "audio")])
def test_nothing_but_safe_weights_is_read(make: Callable[[Path], Path], modality: str, tmp_path: Path) -> None:
    root = make(tmp_path)
    assert {path.suffix for path in files(root)} == {".json", ".safetensors"}
    config = json.loads((root / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model"}
    config["model_type"] = "something-else"
    (root / "config.json").write_text(json.dumps(config))
    (root / "evil.py").write_text("raise SystemExit('this ran')\n")
    with pytest.raises(InputError, match="cannot be opened") as error:
        open_place(root, modality, "0" * 64)
    assert error.value.code == "bad-weights"
    (root / "config.json").unlink()
    with pytest.raises(InputError, match="cannot be opened"):
        open_place(root, modality, "0" * 64)


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    root = language(tmp_path)
    (root / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json is no tokenizer"):
        open_place(root, "text", "0" * 64)
