"""A run that was trained, opened from Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from wgan.data.images import ImageData
from wgan.errors import UserError
from wgan.files import METRICS, QUALITY, read_regular
from wgan.model.sampling import sample_images
from wgan.quality.figures import Reference, find_reference
from wgan.run.building import build_data, find_classes
from wgan.run.folder import read_result
from wgan.run.generator import load_generator
from wgan.run.trust import load_trusted

LARGEST_TABLE = 2**27  # bytes

Table = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Run:
    """A run from its folder, finished or not; `open_run` makes it.

    Attributes:
        folder: where it is.
        configuration: with which it was trained: `run.configuration.model.clip_value`.
    """

    folder: Path
    configuration: DictConfig

    @property
    def result(self) -> dict[str, Any]:
        """What result.json says: status, final figures, versions; empty before the run has ended."""
        return read_result(self.folder)

    @property
    def losses(self) -> Table:
        """metrics.csv, a row an iteration: an array with the columns iteration, epoch, c1, c2, g and wasserstein.

        `run.losses["c1"]` is a column, float64 (iterations,); `pandas.DataFrame(run.losses)` a data frame.
        """
        return _read_table(self.folder / METRICS)

    @property
    def quality(self) -> Table:
        """quality.csv, a row an evaluation: an array with the columns iteration, epoch, samples and the figures.

        The last row is of the run's end, of more samples: figures of as many samples compare with each other.
        """
        return _read_table(self.folder / QUALITY)

    @cached_property
    def generator(self) -> nn.Module:
        """The generator of the run's end: latent points, float32 (n, latent_dim), to images in [-1, 1].

        Raises:
            UserError: if the run has not finished.
        """
        return load_generator(self.folder, self.configuration).eval()

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """The images 0 to n-1 of `seed`, uint8 (n, channels, height, width): those of generate.py.

        A conditional run has ten of each class in turn.

        Raises:
            UserError: if the run has not finished.
        """
        return sample_images(self.generator, n, self.configuration.model.latent_dim, seed)

    @cached_property
    def data(self) -> ImageData:
        """The real images: `run.data.training_images` is uint8 (N, channels, height, width)."""
        cfg = self.configuration.copy()
        if cfg.data._target_ == "wgan.MNISTDigits":
            cfg.data.root = "data"  # the same images as anywhere, and a stranger's folder cannot name another place
        return build_data(cfg)

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """The classes of a conditional run; none of another."""
        return find_classes(self.configuration, self.data)

    @property
    def reference(self) -> Reference:
        """The real images as what others are measured against: `run.reference.measure(images)`."""
        features = OmegaConf.select(self.configuration, "callbacks.quality.features")
        return find_reference(self.data, self.classes, features)


def open_run(folder: str | Path, trust: Sequence[str] = ()) -> Run:
    """Open the folder of a run. It may be a stranger's: it can build classes of wgan, torch and Lightning alone.

    Args:
        folder: as outputs/DATE/TIME, or a job of a sweep, multirun/NAME/JOB.
        trust: packages of one's own whose classes the run's configuration may name, too, as ["mynets"].

    Raises:
        UserError: if it is no run's folder, or names a class that is not trusted.
    """
    return Run(Path(folder), load_trusted(Path(folder), list(trust)))


def _read_table(path: Path) -> Table:
    """Raises UserError if there is no such table, or it is damaged."""
    try:
        return np.genfromtxt(BytesIO(read_regular(path, LARGEST_TABLE)), delimiter=",", names=True, ndmin=1)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is missing or damaged; a run writes it after each epoch") from error
