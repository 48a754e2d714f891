"""The WGAN as a LightningModule: one training step is one iteration of the algorithm."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.plugins import MixedPrecision
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer

from wgan.errors import UserError
from wgan.model import randomness
from wgan.model.averaging import average_generator, measure_norms
from wgan.model.clipping import WeightClipping
from wgan.model.labels import give_labels, register_classes
from wgan.model.lipschitz import LipschitzMethod
from wgan.model.losses import GENERATED, REAL, wasserstein_estimate, wasserstein_loss
from wgan.model.networks import GREY_28, Critic, Generator, ImageShape, MakeNetwork, build_network
from wgan.model.randomness import Purpose, move_to_device
from wgan.model.sampling import sample_images

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]


class WGAN(LightningModule):
    """Wasserstein GAN (Arjovsky et al. 2017, Algorithm 1).

    A critic step takes as many generated images as real ones; the generator's step takes twice as many. With
    `critic_update` "joint" a critic step is one update on c1 + c2, as in the paper; with "alternating" it is one on c1
    and then one on c2. After every update the Lipschitz method projects the critic; it gets all other arguments, such
    as clip_value. If it is `conditional`, both networks get labels, of the `classes` of the images; in a critic step
    generated images have the labels of the real ones. `compile` compiles both networks (torch.compile). `tf32` lets a
    GPU round the factors of products.
    `ema_decay` keeps an exponential moving average of the generator's weights, a step an iteration (Yazici et al.
    2019): its images are the ones then that are shown, measured and exported.
    With `lr_decay` "linear" the learning rates fall linearly, to 0 after the run's last iteration.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        n_critic: int,
        critic_update: str,
        critic_optimizer: MakeOptimizer,
        generator_optimizer: MakeOptimizer,
        seed: int,
        generator: MakeNetwork = Generator,
        critic: MakeNetwork = Critic,
        critic_norm: str = "batch",
        lipschitz: Callable[..., LipschitzMethod] = WeightClipping,
        image_shape: ImageShape = GREY_28,
        conditional: bool = False,
        classes: Sequence[int] = (),
        warmup_n_critic: int = 100,
        warmup_iterations: int = 0,
        warmup_every: int = 0,
        lr_decay: str = "none",
        ema_decay: float | None = None,
        compile: bool = False,  # noqa: A002, the name that users know from PyTorch
        tf32: bool = False,
        **of_lipschitz: Any,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.latent_dim = latent_dim
        self.image_shape = image_shape
        self.n_critic = n_critic
        self.warmup_n_critic = warmup_n_critic
        self.warmup_iterations = warmup_iterations
        self.warmup_every = warmup_every
        self.critic_update = critic_update
        self.seed = seed
        self.lipschitz = lipschitz(**of_lipschitz)
        if critic_update == "alternating" and type(self.lipschitz).penalty is not LipschitzMethod.penalty:
            raise UserError(
                f"model.critic_update=alternating: {type(self.lipschitz).__qualname__} has a penalty, which takes real "
                "and generated images together; set model.critic_update=joint"
            )
        if conditional and len(classes) < 2:
            raise UserError("model.conditional=true: needs images of several classes; set 'data.digit=[3,8]' or all")
        self.classes = tuple(classes)
        sizes = {"latent_dim": latent_dim, "label_dim": len(classes), "image_shape": image_shape}
        torch_rng = randomness.open_weights_stream(seed)
        with randomness.seed_globally(torch_rng.initial_seed()):
            self.generator = build_network(generator, torch_rng, **sizes)
            register_classes(self.generator, classes)
            self.critic = build_network(critic, torch_rng, norm=critic_norm, **sizes)
            self.lipschitz.prepare(self.critic)
        self.averaged = None if ema_decay is None else average_generator(self.generator, ema_decay)
        # Made here rather than in configure_optimizers, so that a wrong option fails before any work.
        self.critic_optimizer = critic_optimizer(self.critic.parameters())
        self.generator_optimizer = generator_optimizer(self.generator.parameters())
        self.lr_decay = lr_decay
        self.learning_rates = [group["lr"] for group in self.list_parameter_groups()] if lr_decay == "linear" else []
        self.losses: dict[str, Tensor] = {}
        self.tf32 = tf32
        if compile:
            for network in (self.generator, self.critic):
                network.compile(dynamic=False)

    def on_fit_start(self) -> None:
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = self.tf32
        if self.averaged is not None:
            self.averaged.n_averaged = self.averaged.n_averaged.cpu()  # which is read in each iteration: no GPU waits

    def configure_optimizers(self) -> tuple[Optimizer, Optimizer]:
        return self.critic_optimizer, self.generator_optimizer

    def list_parameter_groups(self) -> list[dict[str, Any]]:
        """The groups of both optimizers, each with its learning rate, `lr`."""
        return [*self.critic_optimizer.param_groups, *self.generator_optimizer.param_groups]

    @property
    def iteration(self) -> int:
        """The number of the current iteration, from 1 on; `global_step` counts optimizer steps."""
        return self.trainer.fit_loop.total_batch_idx + 1

    def count_critic_steps(self, epoch: int, batch: int) -> int:
        """The critic steps of an iteration, by its epoch and its batch, both from 0 on.

        A warm-up brings the critic near its optimum: the code of Arjovsky et al. 2017 takes 100 steps in each of the
        first 25 iterations and in every 500th.
        """
        before = epoch * int(self.trainer.num_training_batches) + batch
        is_warmup = before < self.warmup_iterations or (self.warmup_every > 0 and before % self.warmup_every == 0)
        return self.warmup_n_critic if is_warmup else self.n_critic

    def decay_learning_rates(self) -> None:
        """Set them for this iteration. A scheduler of PyTorch's has a state, and would have to be saved."""
        iterations = int(self.trainer.num_training_batches) * int(self.trainer.max_epochs or 0)
        left = 1 - (self.iteration - 1) / iterations
        for group, rate in zip(self.list_parameter_groups(), self.learning_rates, strict=True):
            group["lr"] = rate * left

    @property
    def shown_generator(self) -> nn.Module:
        """The generator that makes all images but those of training: the average, where there is one."""
        return self.generator if self.averaged is None else self.averaged.module

    def sample(self, n: int, seed: int, *, raw: bool = False) -> Tensor:
        """Generate the images 0 to n-1 of `seed`, uint8 (n, channels, height, width), on the CPU.

        With `raw` by the generator that is trained, also where there is an average of it.
        """
        return sample_images(self.generator if raw else self.shown_generator, n, self.latent_dim, seed)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """One iteration: the critic steps, `n_critic` but in a warm-up, then one generator step.

        Args:
            batch: real images for all critic steps, (critic steps * half batch, channels, height, width) in [-1, 1];
                labels, one-hot ((critic steps + 2) * half batch, label_dim), theirs and then the generator step's.

        Returns:
            c1 and c2, each the mean over the critic steps, and g: scalars.
        """
        real_images, labels = batch
        critic_optimizer, generator_optimizer = self.optimizers()  # type: ignore[attr-defined]
        if self.lr_decay == "linear":
            self.decay_learning_rates()
        critic_steps = self.count_critic_steps(self.current_epoch, batch_idx)
        half_batch = len(real_images) // critic_steps
        rng = randomness.open_stream(self.seed, Purpose.TRAINING_LATENTS, self.current_epoch, batch_idx)
        latents = randomness.draw_latents(rng, len(labels), self.latent_dim)
        parts = [len(real_images), 2 * half_batch]
        critic_latents, generator_latents = move_to_device(latents, self.device).split(parts)
        critic_labels, generator_labels = labels.split(parts)
        penalty_rng = randomness.open_stream(self.seed, Purpose.PENALTY, self.current_epoch, batch_idx)

        losses_real, losses_generated = [], []
        half_batches = (each.split(half_batch) for each in (real_images, critic_latents, critic_labels))
        for real, latent, label in zip(*half_batches, strict=True):
            generator, critic = give_labels(self.generator, label), give_labels(self.critic, label)
            with torch.no_grad():
                # In training mode: the critic would learn to see moving averages, and the losses would run away.
                generated = generator(latent)
            c1 = wasserstein_loss(critic(real), REAL)
            if self.critic_update == "joint":
                c2 = wasserstein_loss(critic(generated), GENERATED)
                # In mixed precision a generator may make images of lower precision than the real ones.
                penalty = self.lipschitz.penalty(critic, real, generated.to(real), penalty_rng)
                self.update_critic(critic_optimizer, c1 + c2 + penalty)
            else:
                self.update_critic(critic_optimizer, c1)
                c2 = wasserstein_loss(critic(generated), GENERATED)
                self.update_critic(critic_optimizer, c2)
            losses_real.append(c1.detach())
            losses_generated.append(c2.detach())

        with self.toggled_optimizer(generator_optimizer):  # no gradients for the critic
            generator, critic = (give_labels(each, generator_labels) for each in (self.generator, self.critic))
            g = wasserstein_loss(critic(generator(generator_latents)), REAL)
            self.update(generator_optimizer, g)
        if self.averaged is not None:
            self.averaged.update_parameters(self.generator)

        self.losses = {
            "c1": torch.stack(losses_real).mean(),
            "c2": torch.stack(losses_generated).mean(),
            "g": g.detach(),
        }
        return self.losses

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.averaged is not None and self.trainer.is_last_batch:
            measure_norms(self.averaged.module, self.latent_dim, self.classes, self.seed, self.current_epoch)

    def update_critic(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """Take a step down the gradient of `loss`, then project the critic: clip it, for example."""
        self.update(optimizer, loss)
        self.lipschitz.project(self.critic)

    def update(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """Take a step down the gradient of `loss`."""
        optimizer.zero_grad()
        plugin = self.trainer.precision_plugin
        scaler = plugin.scaler if isinstance(plugin, MixedPrecision) else None  # 16-mixed has one
        # manual_backward would call hooks of every callback, which cost more than all else that Lightning does.
        (scaler.scale(loss) if scaler else loss).backward()
        optimizer.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["iteration"] = self.iteration
        checkpoint["losses"] = self.losses
        checkpoint["image_shape"] = list(self.image_shape)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.losses = checkpoint["losses"]

    def on_train_epoch_end(self) -> None:
        estimate = wasserstein_estimate(self.losses["c1"], self.losses["c2"])
        self.log_dict(self.losses | {"wasserstein": estimate}, logger=False)  # for callbacks that monitor one
        self.log("epoch", float(self.current_epoch + 1), logger=False)  # ModelCheckpoint names its files by it
