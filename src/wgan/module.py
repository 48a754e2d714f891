"""The WGAN as a LightningModule: one training step is one iteration of the algorithm."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from wgan import randomness
from wgan.lipschitz import WeightClipping
from wgan.losses import GENERATED, REAL, wasserstein_loss
from wgan.networks import Critic, Generator
from wgan.transfer import to_device

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]


class WGAN(LightningModule):
    """Wasserstein GAN with weight clipping (Arjovsky et al. 2017, Algorithm 1).

    `critic_update` says how a critic step goes: "joint", one update on c1 + c2, as in the paper; "alternating", one on
    c1 and then one on c2. The critic is clipped after every update. A critic step takes as many generated images as
    real ones, the generator's step takes twice as many.

    With `compile`, both networks train compiled (torch.compile); with `tf32`, a GPU may round the factors of their
    products to TensorFloat-32.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        n_critic: int,
        critic_update: str,
        clip_value: float,
        clip_scope: str,
        critic_optimizer: MakeOptimizer,
        generator_optimizer: MakeOptimizer,
        seed: int,
        compile: bool,  # noqa: A002, the name that users know from PyTorch
        tf32: bool,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.n_critic = n_critic
        self.critic_update = critic_update
        self.seed = seed
        self.clipping = WeightClipping(clip_value, clip_scope)
        self.generator = Generator(latent_dim)
        self.critic = Critic()
        torch_rng = randomness.initial_weights(seed)
        self.generator.initialise(torch_rng)
        self.critic.initialise(torch_rng)
        # Made here rather than in configure_optimizers, so that a wrong option fails before any work.
        self.critic_optimizer = critic_optimizer(self.critic.parameters())
        self.generator_optimizer = generator_optimizer(self.generator.parameters())
        self.losses: dict[str, Tensor] = {}
        self.tf32 = tf32
        if compile:
            for network in (self.generator, self.critic):
                network.compile(dynamic=False)

    def on_fit_start(self) -> None:
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = self.tf32

    def configure_optimizers(self) -> tuple[Optimizer, Optimizer]:
        return self.critic_optimizer, self.generator_optimizer

    @property
    def iteration(self) -> int:
        """The iteration that runs or ran last, counted from 1. (`global_step` counts optimizer steps.)"""
        return self.trainer.fit_loop.total_batch_idx + 1

    def training_step(self, real_images: Tensor, batch_idx: int) -> dict[str, Tensor]:
        """One iteration: `n_critic` critic steps, then one generator step.

        Args:
            real_images: of all critic steps, (n_critic * half batch, 1, 28, 28) in [-1, 1].

        Returns:
            c1 and c2, means over the critic steps, and g: scalars.
        """
        critic_optimizer, generator_optimizer = self.optimizers()  # type: ignore[attr-defined]
        half_batches = real_images.chunk(self.n_critic)
        half_batch = len(half_batches[0])
        rng = randomness.stream(self.seed, randomness.Purpose.TRAINING_LATENTS, self.current_epoch, batch_idx)
        latents = randomness.latent_points(rng, (self.n_critic + 2) * half_batch, self.generator.latent_dim)
        critic_latents, generator_latents = to_device(latents, self.device).split([len(real_images), 2 * half_batch])

        losses_real, losses_generated = [], []
        for real, latent in zip(half_batches, critic_latents.chunk(self.n_critic), strict=True):
            with torch.no_grad():
                # In training mode: of images made with moving averages the critic would learn to tell the mode.
                generated = self.generator(latent)
            c1 = wasserstein_loss(self.critic(real), REAL)
            if self.critic_update == "joint":
                c2 = wasserstein_loss(self.critic(generated), GENERATED)
                self.update_critic(critic_optimizer, c1 + c2)
            else:
                self.update_critic(critic_optimizer, c1)
                c2 = wasserstein_loss(self.critic(generated), GENERATED)
                self.update_critic(critic_optimizer, c2)
            losses_real.append(c1.detach())
            losses_generated.append(c2.detach())

        with self.toggled_optimizer(generator_optimizer):  # no gradients for the critic
            g = wasserstein_loss(self.critic(self.generator(generator_latents)), REAL)
            self.update(generator_optimizer, g)

        self.losses = {
            "c1": torch.stack(losses_real).mean(),
            "c2": torch.stack(losses_generated).mean(),
            "g": g.detach(),
        }
        return self.losses

    def update_critic(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """One step down the gradient of `loss`, then the clip."""
        self.update(optimizer, loss)
        self.clipping.clip(self.critic)

    def update(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        optimizer.zero_grad()
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)  # of 16-mixed
        # Not manual_backward: its hooks, of every callback, would cost more than the rest that Lightning does.
        (scaler.scale(loss) if scaler else loss).backward()
        optimizer.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["iteration"] = self.iteration
        checkpoint["losses"] = self.losses

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.losses = checkpoint["losses"]

    def on_train_epoch_end(self) -> None:
        self.log_dict(self.losses, logger=False)  # for callbacks that monitor one
        self.log("epoch", float(self.current_epoch + 1), logger=False)  # ModelCheckpoint names its files by it
