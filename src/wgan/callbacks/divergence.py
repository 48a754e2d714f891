"""The end of a run that diverges, and warnings of one that will not become good."""

import logging
import math
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torch.nn.utils import get_total_norm

from wgan.errors import DivergenceError
from wgan.model.networks import evaluating
from wgan.model.wgan import WGAN

VANISHED = 1e-4  # the losses of a healthy run are a hundred times as large

log = logging.getLogger(__name__)


class Divergence(Callback):
    """Ends the run if a loss or a weight is not finite after an iteration.

    Warns once if |loss| > `warn_above`, and once if all losses have vanished at the end of an epoch. On the CPU the run
    ends in that iteration. A GPU is not waited for: the run ends with the epoch, before a checkpoint is written.
    """

    def __init__(self, warn_above: float) -> None:
        self.warn_above = warn_above
        self.ran_away = False
        self.vanished = False
        self.latest: list[Tensor] = []  # losses and largest weight of the iterations that nobody has looked at

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, module: WGAN, outputs: Any, batch: Any, batch_idx: int) -> None:
        largest_weight = get_total_norm(module.parameters(), norm_type=math.inf)
        self.latest.append(torch.stack([*module.losses.values(), largest_weight]))
        if largest_weight.is_cpu:
            self.check(module)

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        self.check(module)
        self.warn_of_vanished(module)

    def state_dict(self) -> dict[str, Any]:
        return {"ran_away": self.ran_away, "vanished": self.vanished}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.ran_away = state_dict.get("ran_away") is True
        self.vanished = state_dict.get("vanished") is True

    def check(self, module: WGAN) -> None:
        """Look at the iterations since the last look."""
        rows = torch.stack(self.latest).tolist() if self.latest else []
        self.latest.clear()
        for iteration, (*losses, weight) in enumerate(rows, start=module.iteration - len(rows) + 1):
            named_losses = dict(zip(module.losses, losses, strict=True))
            for name, loss in named_losses.items():
                if not math.isfinite(loss):
                    raise DivergenceError(iteration, name, loss)
            if not math.isfinite(weight):
                for name, tensor in module.named_parameters():
                    if not torch.isfinite(tensor).all():
                        raise DivergenceError(iteration, name, tensor[~torch.isfinite(tensor)].flatten()[0].item())
                raise DivergenceError(iteration, "a weight", weight)  # finite again by now
            self.warn_of_large(iteration, named_losses)

    def warn_of_large(self, iteration: int, losses: dict[str, float]) -> None:
        """Say, once, that the losses run away."""
        for name, loss in losses.items():
            if abs(loss) > self.warn_above and not self.ran_away:
                self.ran_away = True
                log.warning(
                    "Iteration %d: %s = %.4g is beyond callbacks.divergence.warn_above = %g: the losses run away, "
                    "the images will not become good; lower optimizer.lr, or raise the limit",
                    *(iteration, name, loss, self.warn_above),
                )

    def warn_of_vanished(self, module: WGAN) -> None:
        """Say, once, that the critic tells nothing apart."""
        losses = {name: loss.item() for name, loss in module.losses.items()}
        if all(abs(loss) < VANISHED for loss in losses.values()) and not self.vanished:
            self.vanished = True
            with evaluating(module.critic):
                figures = {name: figure.item() for name, figure in module.lipschitz.figures(module.critic).items()}
            log.warning(
                "Iteration %d: the losses have vanished (%s): the critic tells nothing apart, the images will not "
                "become good; raise model.clip_value, if it clips",
                *(module.iteration, ", ".join(f"{name} {value:.3g}" for name, value in (losses | figures).items())),
            )
