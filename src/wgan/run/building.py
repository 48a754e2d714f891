"""What a configuration names, built."""

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
from wgan.model.networks import Generator, ImageShape, build_network
from wgan.model.wgan import WGAN
from wgan.quality.objective import LOSSES, figure_of
from wgan.quality.own import OwnFigure
from wgan.run.configuration import resolve_references

TENSORBOARD = DictConfig({"tensorboard": {"_target_": "wgan.TensorBoard"}})  # of runs from before there was a choice

# What gets the rest of its arguments later.
LATER = ("model.generator", "model.critic", "model.lipschitz", "model.critic_optimizer", "model.generator_optimizer")


def build_data(cfg: DictConfig) -> ImageData:
    """The images of a run."""
    data: ImageData = instantiate(cfg.data, _convert_="all")
    return data


def build_model(cfg: DictConfig, image_shape: ImageShape) -> WGAN:
    """The model of a run, for images of this shape; PyTorch's global random state stays as it is.

    Raises:
        hydra.errors.InstantiationException: if a class does not take what is configured.
    """
    cfg = _with_partials(cfg, LATER)
    with randomness.seeded_globally(randomness.initial_weights(cfg.seed).initial_seed()):
        make = instantiate(cfg.model, _partial_=True, _convert_="all")
        try:
            model: WGAN = make(image_shape=image_shape)
        except (TypeError, ValueError) as error:
            raise InstantiationException(f"{error}\nfull_key: model") from error
    return model


def build_generator(cfg: DictConfig, image_shape: ImageShape, largest: int) -> nn.Module:
    """The generator alone, whose weights are to be loaded.

    Raises:
        ValueError: if it is one of ours, or of PyTorch's layers, with more than `largest` parameters.
    """
    make: Any = Generator
    if "generator" in cfg.model:
        make = instantiate(_with_partials(cfg, LATER).model.generator, _convert_="all")
    sizes = {"latent_dim": cfg.model.latent_dim, "label_dim": 0, "image_shape": image_shape}
    with randomness.seeded_globally(0):
        if make is Generator or make.func.__module__.startswith(("wgan.", "torch.")):
            with torch.device("meta"):  # which takes no memory: a stranger may ask for much
                parameters = sum(each.numel() for each in build_network(make, None, **sizes).parameters())
            if parameters > largest:
                raise ValueError(f"the generator has {parameters} parameters")
        return build_network(make, None, **sizes)


def build_callbacks(cfg: DictConfig) -> list[Callback]:
    """The callbacks of a run, in their order."""
    return [instantiate(each, _convert_="all") for each in _with_partials(cfg, _own_figures(cfg)).callbacks.values()]


def build_own_figures(cfg: DictConfig) -> dict[str, OwnFigure]:
    """The user's own figures of quality, by name."""
    places = _own_figures(cfg)
    cfg = _with_partials(cfg, places)
    return {place.rpartition(".")[2]: instantiate(OmegaConf.select(cfg, place), _convert_="all") for place in places}


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


def check_objective(cfg: DictConfig, callbacks: list[Callback], data: ImageData) -> None:
    """Raises UserError if the figure that the objective names will not be measured."""
    name = figure_of(cfg.objective)
    quality = next((callback for callback in callbacks if isinstance(callback, Quality)), None)
    if name in LOSSES:
        return
    if quality is None:
        raise UserError(f"objective={cfg.objective}: needs callbacks.quality; keep it, or set objective=wasserstein")
    if name not in (measured := quality.list_figures(data)):
        there = ", ".join((*measured, *LOSSES))
        raise UserError(f"objective={cfg.objective}: is not measured of these images; choose one of {there}")


def _own_figures(cfg: DictConfig) -> list[str]:
    """Their places in the configuration."""
    found = [(name, figure) for name, callback in cfg.callbacks.items() for figure in callback.get("figures") or ()]
    return [f"callbacks.{name}.figures.{figure}" for name, figure in found]


def _with_partials(cfg: DictConfig, places: tuple[str, ...] | list[str]) -> DictConfig:
    cfg = resolve_references(cfg)
    for place in places:
        if OmegaConf.is_dict(OmegaConf.select(cfg, place)):
            OmegaConf.update(cfg, f"{place}._partial_", True, force_add=True)
    return cfg
