"""How good the images are, epoch by epoch and at the end: quality.csv, TensorBoard, quality.png and nearest.png."""

import csv
import logging
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torchmetrics.functional import spearman_corrcoef

from wgan.files import write_whole
from wgan.images import grid, png
from wgan.losses import wasserstein_estimate
from wgan.metrics.neighbours import nearest
from wgan.metrics.quality import Reference, reference
from wgan.module import WGAN
from wgan.objective import FIGURES_OF_IMAGES
from wgan.runs import METRICS, QUALITY, read_quality
from wgan.tensorboard import FINAL, events

COLUMNS = ("iteration", "epoch", "samples", *FIGURES_OF_IMAGES, "wasserstein")

log = logging.getLogger(__name__)


class Quality(Callback):
    """Measures the images 0 to n-1 of `seed` every `every_n_epochs` epochs (0: never), 0 to final_n-1 at the end.

    A figure depends on the number of samples: compare it with those of as many. The figures of the end and their floors
    are in `trainer.callback_metrics` afterwards, with the Spearman correlation that quality.png shows.
    """

    def __init__(self, seed: int, every_n_epochs: int, n: int, final_n: int | str) -> None:
        self.seed = seed
        self.every_n_epochs = every_n_epochs
        self.n = n
        self.final_n = final_n

    def on_fit_start(self, trainer: Trainer, module: WGAN) -> None:
        read_quality(Path(trainer.default_root_dir), done=0)  # whether it can be read shows before any work

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        epoch = trainer.current_epoch + 1
        if self.is_due(epoch):
            figures = self.measure(trainer, module, epoch, module.generator.sample(self.n, self.seed))
            for name, value in figures.items():
                events(trainer).add_scalar(f"quality/{name}", value, module.iteration)
            share, fid = figures["digit_share"], figures["fid_mnist"]
            log.info("Epoch %d/%d: fid_mnist %.4g, digit_share %.3f", epoch, trainer.max_epochs, fid, share)

    def on_fit_end(self, trainer: Trainer, module: WGAN) -> None:
        known, folder = self.reference(trainer), Path(trainer.default_root_dir)
        n = len(known.images) if self.final_n == "auto" else int(self.final_n)
        images = module.generator.sample(n, self.seed)
        figures = self.measure(trainer, module, trainer.current_epoch, images)
        for name, value in figures.items():
            events(trainer).add_scalar(f"{FINAL}{name}", value, module.iteration)
            trainer.callback_metrics[name] = torch.tensor(value, dtype=torch.float64)
            trainer.callback_metrics[f"{name}_floor"] = torch.tensor(known.floor[name], dtype=torch.float64)
        indices, _ = nearest(images[:10], known.images)
        write_whole(folder / "nearest.png", png(grid(torch.cat([images[:10], known.images[indices]]), columns=10)))
        if self.every_n_epochs and (folder / METRICS).exists():
            correlation = plot_quality(folder, self.n, known.floor)
            if not correlation.isnan():
                trainer.callback_metrics["spearman"] = correlation
        told = ", ".join(f"{name} {value:.4g} ({known.floor[name]:.4g})" for name, value in figures.items())
        log.info("Quality of %d samples, the floor in brackets: %s", n, told)

    def is_due(self, epoch: int) -> bool:
        return self.every_n_epochs > 0 and epoch % self.every_n_epochs == 0

    def reference(self, trainer: Trainer) -> Reference:
        data = trainer.datamodule  # type: ignore[attr-defined]
        return reference(data.root, data.digits)

    def measure(self, trainer: Trainer, module: WGAN, epoch: int, images: Tensor) -> dict[str, float]:
        """Figures of the images, of which quality.csv gets a row; what a killed process wrote later is cut."""
        figures = self.reference(trainer).measure(images)
        estimate = wasserstein_estimate(module.losses["c1"], module.losses["c2"]).item()
        values = (module.iteration, epoch, len(images), *figures.values(), estimate)
        row = dict(zip(COLUMNS, map(str, values), strict=True))
        folder = Path(trainer.default_root_dir)
        earlier = [
            other
            for other in read_quality(folder, done=module.iteration)
            if self.is_due(int(other["epoch"])) and int(other["samples"]) == self.n  # not that of an earlier end
            if (other["iteration"], other["samples"]) != (row["iteration"], row["samples"])
        ]
        table = StringIO()
        writer = csv.DictWriter(table, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*earlier, row])
        write_whole(folder / QUALITY, table.getvalue().encode())
        return figures


def plot_quality(folder: Path, n: int, floor: dict[str, float]) -> Tensor:
    """quality.png of a run: fid_mnist and digit_share of `n` samples above the critic's Wasserstein estimate.

    Returns:
        Spearman's rank correlation, in [-1, 1], of fid_mnist with the estimate, of which the mean since the evaluation
        before is taken: that of a single iteration scatters. NaN of less than three evaluations.
    """
    losses, quality = (np.genfromtxt(folder / name, delimiter=",", names=True, ndmin=1) for name in (METRICS, QUALITY))
    quality = quality[quality["samples"] == n]
    evaluated = np.searchsorted(losses["iteration"], quality["iteration"], side="right")
    parts = np.split(losses["wasserstein"], evaluated)[:-1]
    estimates = np.array([part.mean() if len(part) else np.nan for part in parts])  # rows may have been lost
    correlation = torch.tensor(float("nan"))
    if (there := np.isfinite(estimates) & np.isfinite(quality["fid_mnist"])).sum() >= 3:
        correlation = spearman_corrcoef(torch.tensor(quality["fid_mnist"][there]), torch.tensor(estimates[there]))

    figure = Figure(figsize=(9, 6), dpi=120, layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    shares = above.twinx()
    above.plot(quality["iteration"], quality["fid_mnist"], "C0o-", label="fid_mnist")
    above.axhline(floor["fid_mnist"], color="C0", linestyle=":", label="its floor: of test images")
    shares.plot(quality["iteration"], quality["digit_share"], "C1s-", label="digit_share")
    each = {"linewidth": 0.8, "alpha": 0.6, "label": "estimate of each iteration"}
    below.plot(losses["iteration"], losses["wasserstein"], "C2", **each)
    below.plot(quality["iteration"], estimates, "C2o-", label="its mean since the evaluation before")
    above.set(yscale="log", ylabel="fid_mnist", title=f"Quality of {n} samples")
    shares.set(ylim=(0, 1.03), ylabel="digit_share")
    told = f"Spearman correlation with fid_mnist {correlation:.2f}, {len(quality)} evaluations"
    below.set(xlabel="iteration", ylabel="Wasserstein estimate", title=told)
    if len(losses):  # the first estimates can be ten times the others
        low, high = np.quantile(losses["wasserstein"], (0.005, 0.995))
        below.set_ylim(low - 0.1 * (high - low or 1), high + 0.1 * (high - low or 1))
    figure.legend(handles=[*above.lines, *shares.lines, *below.lines], loc="outside lower center", ncols=3)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    picture = BytesIO()
    figure.savefig(picture, format="png")
    write_whole(folder / "quality.png", picture.getvalue())
    return correlation
