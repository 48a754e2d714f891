"""Loggers beside TensorBoard, or in its place. Each goes on when the run does."""

import csv
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, WandbLogger

from wgan import PROJECT
from wgan.errors import UserError
from wgan.files import METRICS, read_regular, write_whole
from wgan.quality.ranking import FINALS

WANDB_RUN, MLFLOW_RUN = "wandb_run_id", "mlflow_run_id"  # files of the run's folder
SQLITE, STORE = "sqlite:///", PROJECT / "mlruns" / "mlflow.db"  # of all runs, so that MLflow compares them

LARGEST_TABLE = 2**30  # bytes
LARGEST_BATCH = 1000  # numbers that MLflow takes at once


class CSV(CSVLogger):
    """Lightning's table, csv/metrics.csv: a row for each call, with columns for all that a run logs.

    Of a run that goes on, the rows up to the iteration `after` are kept.
    """

    def __init__(self, folder: Path, after: int) -> None:
        super().__init__(folder, name="csv", version="")
        path = Path(self.log_dir) / METRICS
        earlier = _rows_of(path)
        path.unlink(missing_ok=True)  # Lightning would, with a warning
        for row in earlier:
            step = int(row.pop("step"))
            if 1 <= step <= after and not any(name.startswith(FINALS) for name in row):  # there will be others
                self.log_metrics({**row}, step)
        self.save()


class WandB(WandbLogger):
    """Weights & Biases. `mode` is online, offline or disabled.

    Its files are in wandb/ of the project's folder, or of WANDB_DIR: it makes links that lead out of a run's folder.
    """

    def __init__(self, folder: Path, after: int, project: str, mode: str) -> None:
        known = folder / WANDB_RUN
        if not known.exists():
            write_whole(known, secrets.token_hex(4).encode())
        place = os.environ.get("WANDB_DIR") or PROJECT
        run_id = read_regular(known).decode()
        super().__init__(name=folder.name, save_dir=place, project=project, id=run_id, mode=mode)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Also begin the run of W&B, before any work."""
        import wandb

        try:
            super().log_hyperparams(params)
        except wandb.Error as error:
            why = " ".join(str(error).split())
            raise UserError(f"logger.wandb: {why} (logger.wandb.mode=offline uploads nothing)") from error

    def finalize(self, status: str) -> None:
        """Also end the run of W&B: the next job of a sweep in this process has its own."""
        import wandb

        super().finalize(status)
        wandb.finish(exit_code=int(status != "success"))


class MLflow(MLFlowLogger):
    """MLflow. `tracking_uri` is its store; null: what MLFLOW_TRACKING_URI says, or mlruns/mlflow.db of the project."""

    def __init__(self, folder: Path, after: int, experiment_name: str, tracking_uri: str | None) -> None:
        known = folder / MLFLOW_RUN
        self.goes_on = known.exists()
        self.known = known
        run_id = read_regular(known).decode() if self.goes_on else None
        self.uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{STORE}"
        artifacts = None  # a server's are its own
        if self.uri.startswith(SQLITE):
            beside = Path(self.uri.removeprefix(SQLITE)).absolute().parent
            beside.mkdir(parents=True, exist_ok=True)
            artifacts = (beside / "artifacts").as_uri()
        self.waiting: list[Any] = []
        super().__init__(experiment_name, folder.name, self.uri, artifact_location=artifacts, run_id=run_id)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Begin the run of MLflow, before any work, or go on with it: then it would refuse other values."""
        from mlflow.exceptions import MlflowException

        try:
            if self.goes_on:
                _ = self.experiment  # which looks whether the store has the run
            else:
                super().log_hyperparams(params)
                write_whole(self.known, str(self.run_id).encode())
        except MlflowException as error:
            why = " ".join(str(error).split())
            remedy = f"; delete {self.known} to begin another run there" if self.goes_on else ""
            raise UserError(f"logger.mlflow.tracking_uri={self.uri}: {why}{remedy}") from error

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep them until `save`: one by one, those of an epoch of 97 iterations take 2 s."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.waiting += [Metric(name, value, now, step or 0) for name, value in metrics.items()]

    def save(self) -> None:
        while self.waiting:
            self.experiment.log_batch(self.run_id, metrics=self.waiting[:LARGEST_BATCH])
            del self.waiting[:LARGEST_BATCH]

    def finalize(self, status: str = "success") -> None:
        self.save()
        super().finalize(status)


def _rows_of(path: Path) -> list[dict[str, float]]:
    """What each whole row of a table has, none of a table that is not there."""
    if not path.exists():
        return []
    whole, _, _ = read_regular(path, LARGEST_TABLE).decode(errors="replace").rpartition("\n")
    rows = []
    for row in csv.DictReader(whole.splitlines()):
        try:
            numbers = {name: float(value) for name, value in row.items() if value}
            rows.append(numbers | {"step": int(row["step"])})
        except (KeyError, TypeError, ValueError):  # a damaged one
            continue
    return rows
