"""Two views of an anomaly on one scale, once both are trained.

On its own training texts an encoder is surer than it should be, and words are surer of some
templates than of others. Logistic regression on held-out events says what the log-odds of each
are worth (Platt 1999), under weights like those of `template_weight: root` and `class_weight:
balanced`: what is asked for is what holds for templates to come, not for lines that a log repeats.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import numpy.typing as npt

from tfx_pipeline.evaluation.baselines import template_weights
from tfx_pipeline.progress import log
from tfx_pipeline.training.scoring import Scored

# A part that knows nothing of held-out events is never the lesser.
_SILENT = 1e6


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What each part's logits are multiplied with, and what is then added; f64[2] both."""

    slopes: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]

    def lesser(self, parts: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return the lesser of the scaled parts, f32[n, 1] of [n, 2]."""
        return (parts * self.slopes + self.offsets).min(axis=1, keepdims=True).astype(np.float32)


def scale(model: keras.Model, scored: Scored) -> Scored:
    """Put both parts of a model on the scale of held-out events; return these so scaled."""
    scaling = fit_scaling(scored)
    model.get_layer("both").scale(scaling.slopes, scaling.offsets)
    log.info(
        "  an anomaly is what both call one: encoder %.2f x %+.2f, words %.2f x %+.2f",
        *np.stack([scaling.slopes, scaling.offsets], axis=1).ravel(),
    )
    return _scaled(scored, scaling)


def agreed(scored: Scored) -> Scored:
    """Return events with the logits that their own scaling gives; as they are without parts."""
    return scored if scored.parts is None else _scaled(scored, fit_scaling(scored))


def _scaled(scored: Scored, scaling: Scaling) -> Scored:
    return dataclasses.replace(scored, logits=scaling.lesser(scored.parts))


def fit_scaling(scored: Scored) -> Scaling:
    """Fit to held-out events; with one kind of them only, both are taken as they are."""
    anomalous = scored.targets == 1
    slopes, offsets = np.ones(2), np.zeros(2)
    if scored.parts is None or anomalous.all() or not anomalous.any():
        return Scaling(slopes, offsets)
    from sklearn.linear_model import LogisticRegression

    weights = template_weights(scored.texts)
    for place in range(2):
        fitted = LogisticRegression(C=1e3, class_weight="balanced").fit(
            scored.parts[:, place : place + 1], anomalous, sample_weight=weights
        )
        slopes[place], offsets[place] = fitted.coef_[0, 0], fitted.intercept_[0]
    # One that ranks the events backwards is not turned round: that would hide it.
    if (slopes <= 0).all():
        return Scaling(np.ones(2), np.zeros(2))
    return Scaling(np.maximum(slopes, 0.0), np.where(slopes > 0, offsets, _SILENT))
