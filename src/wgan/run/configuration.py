"""The configuration of a run, in memory and on disk. One that is read may come from a stranger."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from io import StringIO
from pathlib import Path
from typing import Any, TypeGuard

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import wgan
from wgan.errors import UserError
from wgan.files import read_regular, write_whole
from wgan.run.checks import check_values, walk_leaves

CONFIGURATION = ".hydra/config.yaml"

REFERENCE = re.compile(r"\$\{(\w+(?:\.\w+)*)\}", re.ASCII)  # to another key, as ${optimizer.lr}

NAMESPACES = ("wgan", "torch", "pytorch_lightning")  # of classes that may be built from anybody's folder

# Loggers that send what a run has to others, each with the package that it needs.
SENDING = {"wgan.WandB": "wandb", "wgan.MLflow": "mlflow"}

NO_TEXT = "must not be a text with ${ in it; write the value itself"

# What a file may have at most; a run's has some 3,000 bytes, 4 levels and 80 values.
BYTES, LEVELS, VALUES = 100_000, 20, 10_000


def settle_values(cfg: DictConfig, keys: Sequence[str]) -> DictConfig:
    """A copy with `keys` alone, in which references to each other are left and all else has its value.

    Whatever asks the surroundings, such as ${oc.env:LR} or ${now:%H}, is asked here, once.

    Raises:
        UserError: if a value is a text with "${" in it.
    """

    def settle(node: Any, place: tuple[Any, ...]) -> Any:
        if isinstance(node, dict):
            return {name: settle(child, (*place, name)) for name, child in node.items()}
        if isinstance(node, list):
            return [settle(child, (*place, number)) for number, child in enumerate(node)]
        if not _is_interpolated(node):
            return node
        reference = REFERENCE.fullmatch(node)
        first = reference and reference[1].partition(".")[0]
        if first and (first in keys or first not in cfg):  # what is missing is told when values are checked
            return node
        value: Any = cfg
        for part in place:
            value = value[part]
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value

    raw = OmegaConf.to_container(OmegaConf.masked_copy(cfg, list(keys)))
    settled = settle(raw, ())
    for key, text in _interpolations(settled):
        if not REFERENCE.fullmatch(text):
            raise UserError(f"{key}={text}: {NO_TEXT}")
    return DictConfig(name_stably(settled))


def resolve_references(cfg: DictConfig) -> DictConfig:
    """The configuration with a plain value for each key, so that what is checked of it is what is built.

    Raises:
        UserError: if a value is a text with "${" in it, which would be resolved once more.
    """
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    for key, text in _interpolations(plain):
        raise UserError(f"{key}={text}: {NO_TEXT}")
    return DictConfig(plain)


def save_configuration(cfg: DictConfig, folder: Path) -> None:
    """Write a run's configuration; references stay as they are."""
    write_whole(folder / CONFIGURATION, OmegaConf.to_yaml(cfg).encode())


def load_configuration(folder: Path, key: str) -> DictConfig:
    """The configuration of a run: plain values, and references to them. What it names is not to be trusted.

    Raises:
        UserError: naming `key`, by which the user gave the folder, if it is not that of a run, or a value cannot be.
    """
    path = folder / CONFIGURATION
    if not path.exists():
        raise UserError(f"{key}={folder}: not a run's folder; name one that train.py made, such as outputs/DATE/TIME")
    try:
        cfg = read_configuration(path)
    except UserError as error:
        raise UserError(f"{key}={folder}: {CONFIGURATION} {error}") from error
    try:
        check_values(cfg)
    except OmegaConfBaseException as error:
        raise UserError(f"{key}={folder}: {CONFIGURATION} is damaged; name another run") from error
    return cfg


def read_configuration(path: Path) -> DictConfig:
    """The configuration in a file, whatever it names.

    Raises:
        OSError: if it cannot be read.
        UserError: if it is none that a run writes; the message goes on after the file's name.
    """
    try:
        text = read_regular(path, BYTES).decode()
        _check_events(text)
        cfg = OmegaConf.load(StringIO(text))
        if not isinstance(cfg, DictConfig):
            raise UserError("is no configuration; name another run")
        raw = OmegaConf.to_container(cfg)
        _check_size(raw)
    except (OSError, UserError):
        raise
    except Exception as error:  # YAML can be wrong in many ways
        raise UserError("is damaged; name another run") from error
    return DictConfig(name_stably(raw))


def list_trust_needed(cfg: DictConfig) -> list[str]:
    """What a command needs besides the folder of a run, ["trust=[mynets]"] say; nothing where all classes are ours."""
    found = walk_leaves(OmegaConf.to_container(cfg))
    targets = [str(value) for key, value in found if names_class(key, value)]
    packages = dict.fromkeys(SENDING.get(target) or target.partition(".")[0] for target in targets)
    foreign = [package for package in packages if package not in NAMESPACES]
    return [f"trust=[{','.join(foreign)}]"] if foreign else []


def names_class(key: str, value: Any) -> bool:
    """Whether a value is the name of a class or a function that is to be built or called."""
    return key.endswith("._target_") or (fnmatchcase(key, "callbacks.*.features") and "." in str(value))


def name_stably(node: Any) -> Any:
    """A configuration's nested dicts, with classes of this package under names that stay when a file moves.

    Older runs name the files, as in wgan.module.WGAN.
    """
    if isinstance(node, list):
        return [name_stably(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {name: find_stable_name(child) if name == "_target_" else name_stably(child) for name, child in node.items()}


def find_stable_name(target: Any) -> Any:
    """wgan.WGAN of wgan.module.WGAN, where older runs have it."""
    package, _, name = str(target).rpartition(".")
    return f"wgan.{name}" if f"{package}.".startswith("wgan.") and name in wgan.__all__ else target


def _is_interpolated(node: Any) -> TypeGuard[str]:
    return isinstance(node, str) and "${" in node


def _interpolations(container: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys and values, where a value, or one in a list, is interpolated."""
    for key, value in walk_leaves(container):
        for each in value if isinstance(value, list) else [value]:
            if _is_interpolated(each):
                yield key, each


def _check_events(text: str) -> None:
    """Look at YAML without building what it says: few bytes can say much, or ask for much."""
    level = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise UserError(f"has an alias, *{event.anchor}, which no run writes; do not trust this folder")
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > LEVELS:
            raise UserError(f"has more than {LEVELS} levels, which no run writes; do not trust this folder")
        value = event.value if isinstance(event, yaml.ScalarEvent) else None
        if _is_interpolated(value) and not REFERENCE.fullmatch(value):
            raise UserError(f"has {value}, which is neither a value nor another key; write the value itself")


def _check_size(raw: Any) -> None:
    """Raises ValueError if the references, written out step by step, make more than VALUES values, or a circle."""
    sizes: dict[str, int | None] = {}  # of what references name; None while it is counted

    def find(reference: str) -> Any:
        node = raw
        for part in REFERENCE.sub(r"\1", reference).split("."):
            node = (find(node) if _is_interpolated(node) else node)[part]
        return node

    def count(node: Any) -> int:
        if isinstance(node, dict | list):
            return 1 + sum(map(count, node.values() if isinstance(node, dict) else node))
        if not _is_interpolated(node):
            return 1
        if node not in sizes:
            sizes[node] = None
            sizes[node] = 1 + count(find(node))
        if (size := sizes[node]) is None:
            raise ValueError(f"{node} leads to itself")
        return size

    if count(raw) > VALUES:
        raise ValueError(f"more than {VALUES} values")
