"""The end of a run that diverges."""

import logging
import math
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch.nn.utils import get_total_norm

from wgan.callbacks.arrivals import Arrivals
from wgan.errors import DivergenceError
from wgan.model.wgan import WGAN

log = logging.getLogger(__name__)


class Divergence(Callback):
    """Ends the run if a loss or a weight is not finite after an iteration; warns once if |loss| > `warn_above`.

    On the CPU the run ends in that iteration. A GPU is not waited for: it ends once the numbers have arrived, some
    iterations later, and at the end of the epoch at the latest, before that is saved.
    """

    def __init__(self, warn_above: float) -> None:
        self.warn_above = warn_above
        self.warned = False
        self.arrivals = Arrivals()

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, module: WGAN, outputs: Any, batch: Any, batch_idx: int) -> None:
        largest_weight = get_total_norm(module.parameters(), norm_type=math.inf)
        self.arrivals.send(module.iteration, torch.stack([*module.losses.values(), largest_weight]))
        self.check(module)

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        self.check(module, wait=True)

    def check(self, module: WGAN, *, wait: bool = False) -> None:
        """Look at what has arrived; with `wait`, at all iterations."""
        for iteration, (*losses, weight) in self.arrivals.arrived(wait=wait):
            named_losses = dict(zip(module.losses, losses, strict=True))
            for name, loss in named_losses.items():
                if not math.isfinite(loss):
                    raise DivergenceError(iteration, name, loss)
            if not math.isfinite(weight):
                for name, tensor in module.named_parameters():
                    if not torch.isfinite(tensor).all():
                        raise DivergenceError(iteration, name, tensor[~torch.isfinite(tensor)].flatten()[0].item())
                raise DivergenceError(iteration, "a weight", weight)  # finite again by the time that this arrived
            self.warn(iteration, named_losses)

    def warn(self, iteration: int, losses: dict[str, float]) -> None:
        """Say, once, that the losses run away."""
        for name, loss in losses.items():
            if abs(loss) > self.warn_above and not self.warned:
                self.warned = True
                log.warning(
                    "Iteration %d: %s = %.4g is beyond callbacks.divergence.warn_above = %g: the losses run away, "
                    "the images will not become good; lower optimizer.lr, or raise the limit",
                    *(iteration, name, loss, self.warn_above),
                )
