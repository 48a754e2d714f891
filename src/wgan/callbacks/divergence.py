"""The end of a run that diverges."""

import logging
import math
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch.nn.utils import get_total_norm

from wgan.checks import DivergenceError
from wgan.module import WGAN

log = logging.getLogger(__name__)


class Divergence(Callback):
    """After each iteration: ends the run if a loss or a weight is not finite; warns once if |loss| > `warn_above`."""

    def __init__(self, warn_above: float) -> None:
        self.warn_above = warn_above
        self.warned = False

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, module: WGAN, outputs: Any, batch: Any, batch_idx: int) -> None:
        largest_weight = get_total_norm(module.parameters(), norm_type=math.inf)
        *losses, weight = torch.stack([*module.losses.values(), largest_weight]).tolist()
        if not all(map(math.isfinite, (*losses, weight))):
            for name, value in (*module.losses.items(), *module.named_parameters()):
                if not torch.isfinite(value).all():
                    raise DivergenceError(module.iteration, name, value[~torch.isfinite(value)].flatten()[0].item())
        for name, loss in zip(module.losses, losses, strict=True):
            if abs(loss) > self.warn_above and not self.warned:
                self.warned = True
                log.warning(
                    "Iteration %d: %s = %.4g is beyond callbacks.divergence.warn_above = %g: the losses run away, "
                    "the images will not become good; lower optimizer.lr, or raise the limit",
                    *(module.iteration, name, loss, self.warn_above),
                )
