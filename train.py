"""Train a WGAN: python train.py [key=value ...]; -m sweeps, resume=FOLDER goes on, --help lists the keys."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from wgan.command_line import errors_in_one_line
from wgan.resuming import with_resume
from wgan.training import train


@errors_in_one_line
@with_resume
@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    hydra_cfg = HydraConfig.get()
    return train(cfg, Path(hydra_cfg.runtime.output_dir), resume=hydra_cfg.job.config_name == "resume")


if __name__ == "__main__":
    main()
