"""Train a WGAN: python train.py [key=value ...]; -m sweeps, resume=FOLDER goes on, --help lists the keys."""

import logging
import math
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from wgan.checks import DivergenceError
from wgan.command_line import errors_in_one_line
from wgan.resuming import with_resume
from wgan.training import train


@errors_in_one_line
@with_resume
@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    hydra_cfg = HydraConfig.get()
    try:
        return train(cfg, Path(hydra_cfg.runtime.output_dir), resume=hydra_cfg.job.config_name == "resume")
    except DivergenceError as error:
        if hydra_cfg.mode != RunMode.MULTIRUN:
            raise
        logging.getLogger("wgan").error("%s", error)
        return math.inf  # for a sweeper the worst of all, and the other jobs go on


if __name__ == "__main__":
    main()
