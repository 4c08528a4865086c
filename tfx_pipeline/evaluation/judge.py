"""The blessing: whether a model keeps its bounds, and in one line each where it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tfx_pipeline import features
from tfx_pipeline.config import MetricBound, PipelineConfig

_MAY_DROP = 0.02


def bounds(config: PipelineConfig) -> tuple[MetricBound, ...]:
    """Return the configured bounds, or that the main metric may hardly drop."""
    default = MetricBound(metric=features.MAIN_METRIC[config.task], may_drop=_MAY_DROP)
    return config.evaluation.bounds or (default,)


def failures(
    asked: Sequence[MetricBound],
    found: Mapping[str, float],
    baseline: Mapping[str, float] | None,
    trivial: Mapping[str, Mapping[str, float]],
    better: Mapping[str, str],
) -> list[str]:
    """Return a line for each bound that is not kept, [] for a model to bless.

    A bound holds for the data as a whole; slices are shown, not judged. What cannot be measured
    cannot be kept. `baseline` are the last blessed model's figures, None when there is none;
    `trivial` those of the trivial baselines by their names; `better` says of each metric whether
    `higher` or `lower` is.
    """
    lines = []
    for bound in asked:
        if math.isnan(found.get(bound.metric, math.nan)):
            lines.append(f"{bound.metric} cannot be measured on this test split")
            continue
        lines += _broken(bound, found, baseline)
        if bound.may_trail is not None:
            behind = trailing(bound.metric, found, trivial, better, bound.may_trail)
            lines += [f"{behind}; may trail by {bound.may_trail:g}"] if behind else []
    return lines


def trailing(
    name: str,
    found: Mapping[str, float],
    trivial: Mapping[str, Mapping[str, float]],
    better: Mapping[str, str],
    may: float = 0.0,
) -> str | None:
    """Say of a metric by how much the best trivial baseline is ahead, None up to `may`."""
    value = found.get(name, math.nan)
    sign = 1 if better[name] == features.HIGHER else -1
    known = {system: figures.get(name, math.nan) for system, figures in trivial.items()}
    known = {system: value for system, value in known.items() if not math.isnan(value)}
    if not known or math.isnan(value):
        return None
    best = max(known, key=lambda system: sign * known[system])
    if sign * value >= sign * known[best] - may:
        return None
    return f"{name} is {value:.4f}, {value - known[best]:+.4f} against the trivial baseline {best}"


def _broken(
    bound: MetricBound, found: Mapping[str, float], baseline: Mapping[str, float] | None
) -> list[str]:
    name = bound.metric
    value = found[name]
    lines = []
    if bound.at_least is not None and value < bound.at_least:
        lines.append(f"{name} is {value:.4f}; at least {bound.at_least:g} is asked")
    if bound.at_most is not None and value > bound.at_most:
        lines.append(f"{name} is {value:.4f}; at most {bound.at_most:g} is asked")
    before = math.nan if baseline is None else baseline.get(name, math.nan)
    if math.isnan(before):
        return lines
    change = f"{name} is {value:.4f}, {value - before:+.4f} against the last blessed model"
    if bound.may_drop is not None and value < before - bound.may_drop:
        lines.append(f"{change}; may drop {bound.may_drop:g}")
    if bound.may_rise is not None and value > before + bound.may_rise:
        lines.append(f"{change}; may rise {bound.may_rise:g}")
    return lines
