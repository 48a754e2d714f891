"""The plain loop: what anyone would write in PyTorch, for comparison. The algorithm is that of `wgan.model.wgan`."""

import torch
from torch import Tensor, nn


def initialise(network: nn.Module) -> None:
    """N(0, 0.02) for kernels and the generator's linear layer, Xavier for the critic's, biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        if isinstance(layer, nn.Linear) and layer.out_features == 1:
            nn.init.xavier_uniform_(layer.weight)


class PlainLoop:
    """Networks, optimizers and images of the default experiment; `iteration` is one iteration of it."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.critic = nn.Sequential(
            nn.Conv2d(1, 64, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 64, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 1),
        )
        self.generator = nn.Sequential(
            nn.Linear(50, 128 * 7 * 7),
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, (128, 7, 7)),
            nn.ConvTranspose2d(128, 128, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(128, 128, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 1, kernel_size=7, padding=3),
            nn.Tanh(),
        )
        initialise(self.critic)
        initialise(self.generator)
        self.critic_optimizer = torch.optim.RMSprop(self.critic.parameters(), lr=5e-5)
        self.generator_optimizer = torch.optim.RMSprop(self.generator.parameters(), lr=5e-5)

    def iteration(self) -> None:
        """Five critic steps on 32 real and 32 generated images, then a generator step on 64."""
        for _ in range(5):
            real = self.images[torch.randint(len(self.images), (32,))]
            self.update_critic(-self.critic(real).mean())
            with torch.no_grad():
                generated = self.generator(torch.randn(32, 50))
            self.update_critic(self.critic(generated).mean())
        self.generator_optimizer.zero_grad()
        loss = -self.critic(self.generator(torch.randn(64, 50))).mean()
        loss.backward()
        self.generator_optimizer.step()

    def update_critic(self, loss: Tensor) -> None:
        """A step down the gradient of `loss`, then the clip."""
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        with torch.no_grad():
            for layer in self.critic:
                if isinstance(layer, nn.Conv2d):
                    layer.weight.clamp_(-0.01, 0.01)
