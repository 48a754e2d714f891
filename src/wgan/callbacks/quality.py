"""How good the images are, epoch by epoch and at the end: quality.csv, TensorBoard, quality.png and nearest.png."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torchmetrics.functional import spearman_corrcoef

from wgan.callbacks.board import show_scalars
from wgan.callbacks.sheets import draw_sheet
from wgan.callbacks.table import Table
from wgan.data.images import ImageData
from wgan.errors import UserError
from wgan.files import CLASSES, METRICS, QUALITY, write_whole
from wgan.model.labels import ROW, list_sample_labels
from wgan.model.losses import wasserstein_estimate
from wgan.model.wgan import WGAN
from wgan.pictures import encode_plot, encode_png
from wgan.quality.classes import measure_classes, tabulate_classes
from wgan.quality.features import load_extractor
from wgan.quality.figures import Reference, find_reference, measure_frechet_distance
from wgan.quality.neighbours import find_nearest
from wgan.quality.own import OwnFigure, measure_own
from wgan.quality.ranking import CLASS_ACCURACY, FIGURES, FINAL, FRECHET, list_figures, name_distances

NUMBERS = ("iteration", "epoch", "samples")
SHARES = (CLASS_ACCURACY, "digit_share", "coverage")  # in [0, 1]; the first that is measured is told

log = logging.getLogger(__name__)


class Quality(Callback):
    """Measures the images 0 to n-1 of `seed` every `every_n_epochs` epochs (0: never), 0 to final_n-1 at the end.

    A figure depends on the number of samples: compare figures of equal numbers. The final ones and their floors are in
    `trainer.callback_metrics` afterwards, with the Spearman correlation that quality.png shows. `features` names what
    figures rest on: digits, inception, or a class of the user's own; None leaves it to the data set. `figures` are the
    user's own, by name. Where the generator is averaged, quality.csv has the `fid_mnist_raw` of the one that is not.
    """

    def __init__(
        self,
        seed: int,
        every_n_epochs: int,
        n: int,
        final_n: int | str,
        features: str | None = None,
        figures: Mapping[str, OwnFigure] = MappingProxyType({}),
    ) -> None:
        self.seed = seed
        self.every_n_epochs = every_n_epochs
        self.n = n
        self.final_n = final_n
        self.features = features
        self.figures = figures
        self.raw: str | None = None  # the column of the generator that is not averaged
        self.own_floor: dict[str, float] = {}
        for name, figure in figures.items():
            key = f"callbacks.quality.figures.{name}"
            if not callable(figure):
                raise UserError(f"{key}={figure}: must have a _target_, a function or a class of torchmetrics")
            if not name.isidentifier() or name in (*FIGURES, *name_distances(features), *NUMBERS):
                raise UserError(f"{key}: must have another name, of letters, digits and _")
        if features:  # what is wrong with them shows before any work
            load_extractor(features)

    def list_figures(self, data: ImageData, classes: Sequence[int] = ()) -> list[str]:
        """The names of what is measured of such images, in a run that has classes or not."""
        return [*list_figures(data.digits, features=self.features, conditional=bool(classes)), *self.figures]

    def setup(self, trainer: Trainer, module: WGAN, stage: str) -> None:
        figures = self.list_figures(trainer.datamodule, module.classes)  # type: ignore[attr-defined]
        if module.averaged is not None and figures[0] in FRECHET:
            self.raw = f"{figures[0]}_raw"
        self.table = Table(QUALITY, (*NUMBERS, *figures, "wasserstein", *([self.raw] if self.raw else [])))

    def on_load_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        self.table.load(checkpoint, Path(trainer.default_root_dir))

    def on_save_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        self.table.save(checkpoint)

    def on_fit_start(self, trainer: Trainer, module: WGAN) -> None:
        if self.features or self.figures:
            known = self.reference(trainer)
            self.own_floor = measure_own(self.figures, known.held_out, known.images)

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        epoch = trainer.current_epoch + 1
        if self.is_due(epoch):
            figures = self.record(trainer, module, epoch, module.sample(self.n, self.seed))
            show_scalars(trainer, {f"quality/{name}": value for name, value in figures.items()}, module.iteration)
            for name, value in figures.items():  # for callbacks that monitor one
                trainer.callback_metrics[name] = torch.tensor(value, dtype=torch.float64)
            name, share = _headline(figures)
            told = f"{name} {figures[name]:.4g}" + (f", {share} {figures[share]:.3f}" if share != name else "")
            log.info("Epoch %d/%d: %s", epoch, trainer.max_epochs, told)

    def on_fit_end(self, trainer: Trainer, module: WGAN) -> None:
        known, folder = self.reference(trainer), Path(trainer.default_root_dir)
        n = len(known.images) if self.final_n == "auto" else int(self.final_n)
        images = module.sample(n, self.seed)
        figures = self.record(trainer, module, trainer.current_epoch, images)
        floor = known.floor | self.own_floor
        show_scalars(trainer, {f"{FINAL}{name}": value for name, value in figures.items()}, module.iteration)
        for name, value in figures.items():
            trainer.callback_metrics.pop(name, None)  # of the last epoch
            trainer.callback_metrics[name] = torch.tensor(value, dtype=torch.float64)
            trainer.callback_metrics[f"{name}_floor"] = torch.tensor(floor[name], dtype=torch.float64)
        some = images[:: ROW if module.classes else 1][:10]  # of all classes
        indices, _ = find_nearest(some, known.images)
        rows = {"generated": some, "the nearest training image of each": known.images[indices]}
        write_whole(folder / "nearest.png", encode_png(draw_sheet(folder.name, rows)))
        if self.every_n_epochs and (folder / METRICS).exists():
            name, share = _headline(figures)
            correlation = plot_quality(folder, self.n, floor, name, share)
            if not correlation.isnan():
                trainer.callback_metrics["spearman"] = correlation
        told = ", ".join(f"{name} {value:.4g} ({floor[name]:.4g})" for name, value in figures.items())
        log.info("Quality of %d samples, the floor in brackets: %s", n, told)
        if by_class := measure_classes(known, images, list_sample_labels(n, module.classes)):
            table = "\n".join(map(",".join, tabulate_classes(by_class)))
            write_whole(folder / CLASSES, f"{table}\n".encode())
            log.info("Quality of each class:\n%s", table)

    def is_due(self, epoch: int) -> bool:
        return self.every_n_epochs > 0 and epoch % self.every_n_epochs == 0

    def reference(self, trainer: Trainer) -> Reference:
        classes = trainer.lightning_module.classes
        return find_reference(trainer.datamodule, classes, self.features)  # type: ignore[attr-defined, arg-type]

    def record(self, trainer: Trainer, module: WGAN, epoch: int, images: Tensor) -> dict[str, float]:
        """Figures of the images, which get a row of quality.csv; the row of an earlier end of the run goes."""
        known = self.reference(trainer)
        labels = list_sample_labels(len(images), module.classes) if module.classes else None
        figures = known.measure(images, labels) | measure_own(self.figures, images, known.images)
        estimate = wasserstein_estimate(module.losses["c1"], module.losses["c2"]).item()
        numbers = dict(zip(NUMBERS, (module.iteration, epoch, len(images)), strict=True))
        values = numbers | figures | {"wasserstein": estimate}
        if self.raw:
            features, _ = known.look_at(module.sample(len(images), self.seed, raw=True))
            values[self.raw] = measure_frechet_distance(known.features, features)
        iterations, epochs, samples = self.table.rows[:, : len(NUMBERS)].T
        is_repeated = (iterations == module.iteration) & (samples == len(images))
        is_due = torch.tensor([self.is_due(int(other)) for other in epochs], dtype=torch.bool)
        self.table.keep(is_due & (samples == self.n) & ~is_repeated)
        self.table.append(torch.tensor([[values[name] for name in self.table.columns]], dtype=torch.float64))
        self.table.write(Path(trainer.default_root_dir))
        return figures


def _headline(figures: Mapping[str, float]) -> tuple[str, str]:
    """The two figures to tell and to plot: those of features, or else the user's own and the first."""
    first, *_, last = [*figures] * 2
    return (first, next(name for name in SHARES if name in figures)) if first in FRECHET else (last, first)


def plot_quality(folder: Path, n: int, floor: Mapping[str, float], name: str, share: str) -> Tensor:
    """quality.png of a run: two figures of `n` samples above the critic's Wasserstein estimate.

    Returns:
        Spearman's rank correlation, in [-1, 1], of the figure `name` with the estimate. The estimate's mean since the
        evaluation before is taken: that of a single iteration scatters. NaN of less than three evaluations.
    """
    losses, quality = (np.genfromtxt(folder / name, delimiter=",", names=True, ndmin=1) for name in (METRICS, QUALITY))
    quality = quality[quality["samples"] == n]
    evaluated = np.searchsorted(losses["iteration"], quality["iteration"], side="right")
    parts = np.split(losses["wasserstein"], evaluated)[:-1]
    estimates = np.array([part.mean() if len(part) else np.nan for part in parts])  # rows may have been lost
    correlation = torch.tensor(float("nan"))
    if (there := np.isfinite(estimates) & np.isfinite(quality[name])).sum() >= 3:
        correlation = spearman_corrcoef(torch.tensor(quality[name][there]), torch.tensor(estimates[there]))

    figure = Figure(figsize=(9, 6), dpi=120, layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    shares = above.twinx()
    above.plot(quality["iteration"], quality[name], "C0o-", label=name)
    above.axhline(floor[name], color="C0", linestyle=":", label="its floor: of images held out")
    shares.plot(quality["iteration"], quality[share], "C1s-", label=share)
    each = {"linewidth": 0.8, "alpha": 0.6, "label": "estimate of each iteration"}
    below.plot(losses["iteration"], losses["wasserstein"], "C2", **each)
    below.plot(quality["iteration"], estimates, "C2o-", label="its mean since the evaluation before")
    above.set(ylabel=name, title=f"{folder.name}: quality of {n} samples")
    shares.set(ylabel=share)
    if share in SHARES:
        shares.set_ylim(0, 1.03)
    told = "" if correlation.isnan() else f"Spearman correlation of estimate and {name}: {correlation:.2f}"
    below.set(xlabel="iteration", ylabel="Wasserstein estimate", title=told)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    if name in FRECHET:
        above.set_yscale("log")
        above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        above.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        above.yaxis.set_minor_formatter(NullFormatter())
    if len(finite := losses["wasserstein"][np.isfinite(losses["wasserstein"])]):
        low, high = np.quantile(finite, (0.005, 0.995))  # the first estimates can be ten times the others
        below.set_ylim(low - 0.1 * (high - low or 1), high + 0.1 * (high - low or 1))
    figure.legend(handles=[*above.lines, *shares.lines, *below.lines], loc="outside lower center", ncols=3)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    write_whole(folder / "quality.png", encode_plot(figure))
    return correlation
