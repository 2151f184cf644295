"""What is particular to learning tags: losses, weights of rare tags, one ensemble of many boosters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelwright.errors import InputError, IntegrityError
from modelwright.models import losses
from modelwright.models.boosting import Boosting
from modelwright.testing import family as contract
from modelwright.train import plan

CASE = contract.Case("boosting", "table", "tags", 4)


def test_losses_of_tags_are_what_they_say() -> None:
    import torch

    scores = torch.tensor([[2.0, -3.0], [-1.0, 0.5]])
    truth = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    sure = torch.sigmoid(scores)
    plain = losses.per_sample("binary-cross-entropy", scores, truth)
    assert torch.allclose(plain, -(truth * sure.log() + (1 - truth) * (1 - sure).log()), atol=1e-6)
    right = torch.where(truth > 0, sure, 1 - sure)
    assert torch.allclose(losses.per_sample("focal", scores, truth), (1 - right) ** 2 * plain, atol=1e-6)
    asymmetric = losses.per_sample("asymmetric", scores, truth)
    assert asymmetric[0, 1] == 0.0  # an easy negative, below the margin
    assert asymmetric[1, 0] == plain[1, 0]  # positives count whole
    assert 0.0 < asymmetric[1, 1] < plain[1, 1]
    with pytest.raises(InputError, match="asymmetric"):
        losses.per_sample("squared", scores, truth)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["focal", "asymmetric"])
def test_the_convnet_learns_by_every_loss_of_tags(loss: str) -> None:
    case = contract.Case("convnet", "image", "tags", 4)
    model = contract.fit(case, loss=loss)
    test = contract.data(case).test
    scores, truth = model.scores(test.take(slice(None))), test.truth > 0.5
    places = scores[:, 0].argsort().argsort()
    area = (places[truth[:, 0]].mean() - places[~truth[:, 0]].mean()) / len(truth) + 0.5
    assert area > 0.85


def test_rare_tags_weigh_more_and_every_tag_as_much_as_another() -> None:
    truth = np.zeros((100, 2), np.float32)
    truth[:10, 0] = 1
    truth[:50, 1] = 1
    weights, why = plan.class_weights("balanced", truth, 2, "f1_macro")
    assert weights is not None
    assert weights.shape == (100, 2)
    np.testing.assert_allclose(weights.mean(0), 1.0, rtol=1e-5)
    assert weights[0, 0] == pytest.approx(9 * weights[50, 0])
    assert weights[0, 1] == pytest.approx(weights[99, 1])
    assert "10.0%" in why
    assert plan.class_weights("auto", truth, 2, "log_loss")[0] is None
    assert plan.class_weights("none", truth, 2, "f1_macro")[0] is None


def test_folds_deal_the_rarest_tag_evenly() -> None:
    truth = np.zeros((100, 2), np.float32)
    truth[:10, 0] = 1
    truth[::2, 1] = 1
    folds = plan.deal(truth, [None] * 100, 5, seed=0)
    assert np.bincount(folds[:10], minlength=5).tolist() == [2] * 5


def test_boosters_of_another_number_of_tags_are_refused(tmp_path: Path) -> None:
    model = contract.fitted(CASE)
    model.save(tmp_path)
    described = (tmp_path / "boosting.json").read_text(encoding="utf-8")
    (tmp_path / "boosting.json").write_text(described.replace('"constants":[', '"constants":[0.0,'), encoding="utf-8")
    with pytest.raises(IntegrityError, match="fit each other"):
        Boosting().load(tmp_path)


def test_a_warm_start_goes_on_from_each_booster(tmp_path: Path) -> None:
    contract.fitted(CASE).save(tmp_path)
    test = contract.data(CASE).test
    again = contract.fit(CASE, warm_start=tmp_path)
    assert np.mean((again.scores(test.take(slice(None))) > 0) == (test.truth > 0.5)) > 0.8
