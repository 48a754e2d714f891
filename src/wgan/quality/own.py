"""Figures of quality of the user's own."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torchmetrics import Metric

# A door: a function of (generated, real), both uint8 (n, channels, height, width), or a class of torchmetrics. A metric
# whose update takes `real=` gets both kinds of images; any other one gets those that were generated.
OwnFigure = Callable[[Tensor, Tensor], float] | Callable[[], Metric]


def measure_own(figures: Mapping[str, OwnFigure], generated: Tensor, real: Tensor) -> dict[str, float]:
    """The user's own figures of images, uint8 (n, channels, height, width)."""
    return {name: float(_measure(figure, generated, real)) for name, figure in figures.items()}


def _measure(figure: OwnFigure, generated: Tensor, real: Tensor) -> float:
    made = figure.func if isinstance(figure, partial) else figure
    if not (isinstance(made, type) and issubclass(made, Metric)):
        return figure(generated, real)  # type: ignore[call-arg, return-value]
    metric: Any = figure()  # type: ignore[call-arg]
    if "real" in inspect.signature(metric.update).parameters:
        metric.update(real, real=True)
        metric.update(generated, real=False)
    else:
        metric.update(generated)
    value = metric.compute()
    return float(value[0] if isinstance(value, tuple) else value)
