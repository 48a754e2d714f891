"""The project's own mathematics in a bare loop, without Lightning and without records."""

from collections.abc import Iterator

import torch
from omegaconf import DictConfig
from torch import Tensor

from wgan.model.losses import GENERATED, REAL, wasserstein_loss
from wgan.model.randomness import Purpose, draw_latents, open_stream
from wgan.run.building import build_data, build_model


class BareLoop:
    """Built from a configuration, as a run is; `iteration` is one iteration with critic_update=alternating."""

    def __init__(self, cfg: DictConfig) -> None:
        self.data = build_data(cfg)
        self.wgan = build_model(cfg, self.data.image_shape)
        self.data.setup("fit")
        self.batches = self._endless()
        self.number = 0

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.data.train_dataloader()

    def batch(self) -> Tensor:
        """The real images of the next iteration."""
        return next(self.batches)[0]

    def iteration(self) -> None:
        """`n_critic` critic steps and a generator step."""
        wgan, half_batches = self.wgan, self.batch().chunk(self.wgan.n_critic)
        rng = open_stream(wgan.seed, Purpose.TRAINING_LATENTS, 0, self.number)
        self.number += 1
        half = len(half_batches[0])
        for real in half_batches:
            with torch.no_grad():
                generated = wgan.generator(draw_latents(rng, half, wgan.latent_dim))
            self.update_critic(wasserstein_loss(wgan.critic(real), REAL))
            self.update_critic(wasserstein_loss(wgan.critic(generated), GENERATED))
        wgan.critic.requires_grad_(requires_grad=False)
        wgan.generator_optimizer.zero_grad()
        latents = draw_latents(rng, 2 * half, wgan.latent_dim)
        wasserstein_loss(wgan.critic(wgan.generator(latents)), REAL).backward()
        wgan.generator_optimizer.step()
        wgan.critic.requires_grad_(requires_grad=True)

    def update_critic(self, loss: Tensor) -> None:
        """A step down the gradient of `loss`, then the clip."""
        self.wgan.critic_optimizer.zero_grad()
        loss.backward()
        self.wgan.critic_optimizer.step()
        self.wgan.lipschitz.project(self.wgan.critic)
