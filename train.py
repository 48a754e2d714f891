"""Train a WGAN: python train.py [key=value ...]; -m sweeps, resume=FOLDER goes on, --help lists the keys."""

import signal
from pathlib import Path

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends imports, and the very end, without a traceback

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from wgan.commands import help  # noqa: A004, F401, conf/ asks for what it tells
from wgan.commands.one_line import errors_in_one_line, errors_past_hydra
from wgan.run.names import with_names_quoted
from wgan.run.resuming import with_resume
from wgan.run.training import train
from wgan.run.unread import check_keys_read
from wgan.sweeps.identity import check_no_sweep, run_configuration
from wgan.sweeps.job import run_job
from wgan.sweeps.launch import with_summary


@errors_in_one_line
@with_resume
@with_names_quoted("hydra.run.dir", "data.root")
@with_summary
@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    hydra_cfg = HydraConfig.get()
    if hydra_cfg.mode == RunMode.MULTIRUN:
        return run_job(cfg, hydra_cfg)
    with errors_past_hydra():
        check_no_sweep([*hydra_cfg.overrides.task, *hydra_cfg.overrides.hydra])
        folder = Path(hydra_cfg.runtime.output_dir)
        resume = hydra_cfg.job.config_name == "resume"
        if not resume:  # whose configuration has no references any more
            check_keys_read(cfg, hydra_cfg.overrides.task)
        return train(run_configuration(cfg), folder, resume=resume, trust=cfg.get("trust", ()))


if __name__ == "__main__":
    main()
