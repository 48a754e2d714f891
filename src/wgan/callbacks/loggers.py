"""Loggers beside TensorBoard, or in its place. Each goes on when the run does."""

import os
import secrets
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, WandbLogger

from wgan import PROJECT
from wgan.files import read_regular, write_whole

WANDB_RUN, MLFLOW_RUN = "wandb_run_id", "mlflow_run_id"  # files of the run's folder
SQLITE, STORE = "sqlite:///", PROJECT / "mlruns" / "mlflow.db"  # of all runs, so that MLflow compares them


class CSV(CSVLogger):
    """Lightning's tables: csv/version_0/metrics.csv, and version_1 of the process that went on with the run."""

    def __init__(self, folder: Path, after: int) -> None:
        super().__init__(folder, name="csv")


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
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{STORE}"
        artifacts = None  # a server's are its own
        if uri.startswith(SQLITE):
            beside = Path(uri.removeprefix(SQLITE)).absolute().parent
            beside.mkdir(parents=True, exist_ok=True)
            artifacts = (beside / "artifacts").as_uri()
        super().__init__(experiment_name, folder.name, uri, artifact_location=artifacts, run_id=run_id)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Once: MLflow refuses others later, as of a run that is lengthened."""
        if not self.goes_on:
            super().log_hyperparams(params)
            write_whole(self.known, str(self.run_id).encode())
