"""What a configuration names, built."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from torch import nn

from wgan.callbacks.quality import Quality
from wgan.data.images import ImageData
from wgan.errors import UserError
from wgan.model import randomness
from wgan.model.labels import register_classes
from wgan.model.networks import Generator, ImageShape, build_network
from wgan.model.wgan import WGAN
from wgan.quality.own import OwnFigure
from wgan.quality.ranking import LOSSES, name_figure
from wgan.run.configuration import resolve_references
from wgan.run.trust import check_targets

TENSORBOARD = DictConfig({"tensorboard": {"_target_": "wgan.TensorBoard"}})  # of runs from before there was a choice

# What gets the rest of its arguments later.
LATER = ("generator", "critic", "lipschitz", "critic_optimizer", "generator_optimizer")


def check_buildable(configurations: Sequence[DictConfig]) -> None:
    """Build what the configurations name, and let it go: what a sweep's jobs would find before their first iteration.

    Raises:
        UserError, hydra.errors.InstantiationException: for the first thing that cannot be.
    """
    loaded: dict[str, ImageData] = {}
    for cfg in map(resolve_references, configurations):
        check_targets(cfg, trust=None)
        data = build_data(cfg)
        source = str({key: value for key, value in cfg.data.items() if key not in ("batch_size", "n_critic", "seed")})
        data.share_images(loaded.setdefault(source, data))
        model = build_model(cfg, data.image_shape, find_classes(cfg, data))
        check_figures(cfg, build_callbacks(cfg), data, model.classes)


def build_data(cfg: DictConfig) -> ImageData:
    """The images of a run."""
    data: ImageData = instantiate(cfg.data, _convert_="all")
    return data


def find_classes(cfg: DictConfig, data: ImageData) -> tuple[int, ...]:
    """The classes of a conditional run; none of another."""
    return data.classes if cfg.model.get("conditional") else ()


def build_model(cfg: DictConfig, image_shape: ImageShape, classes: Sequence[int] = ()) -> WGAN:
    """The model of a run, for images of this shape and these classes; PyTorch's global random state stays as it is.

    Raises:
        hydra.errors.InstantiationException: if a class does not take what is configured.
    """
    settings = _with_partials(cfg.model, LATER)
    # Also for layers in the configuration, which are made before the model.
    with randomness.seed_globally(randomness.open_weights_stream(cfg.seed).initial_seed()):
        make = instantiate(settings, _partial_=True, _convert_="all")
        try:
            model: WGAN = make(image_shape=image_shape, **({"classes": classes} if classes else {}))
        except (RuntimeError, TypeError, ValueError) as error:
            raise InstantiationException(f"{error}\nfull_key: model") from error
    return model


def build_generator(cfg: DictConfig, image_shape: ImageShape, classes: Sequence[int], largest: int) -> nn.Module:
    """The generator alone, whose weights are to be loaded.

    Raises:
        ValueError: if it is one of ours, or of PyTorch's layers, with more than `largest` parameters.
    """
    make: Any = Generator
    if "generator" in cfg.model:
        make = instantiate(_with_partials(cfg.model, LATER).generator, _convert_="all")
    sizes = {"latent_dim": cfg.model.latent_dim, "label_dim": len(classes), "image_shape": image_shape}
    with randomness.seed_globally(0):
        if make is Generator or make.func.__module__.startswith(("wgan.", "torch.")):
            with torch.device("meta"):  # which takes no memory: a stranger may ask for much
                parameters = sum(each.numel() for each in build_network(make, None, **sizes).parameters())
            if parameters > largest:
                raise ValueError(f"the generator has {parameters} parameters")
        generator = build_network(make, None, **sizes)
    register_classes(generator, classes)
    return generator


def build_callbacks(cfg: DictConfig) -> list[Callback]:
    """The callbacks of a run, in their order."""
    callbacks = _with_partials(cfg.callbacks, _own_figures(cfg))
    return [instantiate(callback, _convert_="all") for callback in callbacks.values()]


def build_own_figures(cfg: DictConfig) -> dict[str, OwnFigure]:
    """The user's own figures of quality, by name."""
    places = _own_figures(cfg)
    callbacks = _with_partials(cfg.callbacks, places)
    figures = {place.rpartition(".")[2]: OmegaConf.select(callbacks, place) for place in places}
    return {name: instantiate(figure, _convert_="all") for name, figure in figures.items()}


def build_loggers(cfg: DictConfig, folder: Path, after: int) -> list[Logger]:
    """The loggers of a run, which write in its folder.

    Args:
        after: the iteration after which the run goes on; 0 at its beginning.
    """
    loggers = []
    for each in (cfg.logger if "logger" in cfg else TENSORBOARD).values():
        own = {"folder": folder, "after": after} if each._target_.startswith("wgan.") else {}
        loggers.append(instantiate(each, _convert_="all", **own))
    return loggers


def check_figures(cfg: DictConfig, callbacks: list[Callback], data: ImageData, classes: Sequence[int]) -> None:
    """Raises UserError if a figure will not be measured that is the objective, or that a callback looks at."""
    quality = next((callback for callback in callbacks if isinstance(callback, Quality)), None)
    looked_at = {"objective": str(cfg.objective)}
    for name, callback in cfg.callbacks.items():
        looked_at |= {f"callbacks.{name}.{key}": callback[key] for key in ("monitor", "objective") if key in callback}
    for key, asked in looked_at.items():
        name = name_figure(asked)
        if name in LOSSES:
            continue
        if quality is None:
            raise UserError(f"{key}={asked}: needs callbacks.quality; keep it, or set {key}=wasserstein")
        if name not in (measured := quality.list_figures(data, classes)):
            there = ", ".join((*measured, *LOSSES))
            raise UserError(f"{key}={asked}: is not measured of these images; choose one of {there}")
        if key != "objective" and quality.every_n_epochs != 1:
            raise UserError(f"{key}={asked}: is looked at after each epoch; set callbacks.quality.every_n_epochs=1")


def _own_figures(cfg: DictConfig) -> list[str]:
    """Their places among the callbacks."""
    found = [(name, figure) for name, callback in cfg.callbacks.items() for figure in callback.get("figures") or ()]
    return [f"{name}.figures.{figure}" for name, figure in found]


def _with_partials(group: DictConfig, places: Sequence[str]) -> DictConfig:
    """A group of the configuration, in which what is made at these places gets the rest of its arguments later."""
    plain = DictConfig(OmegaConf.to_container(group, resolve=True))
    for place in places:
        if OmegaConf.is_dict(OmegaConf.select(plain, place)):
            OmegaConf.update(plain, f"{place}._partial_", True, force_add=True)
    return plain
