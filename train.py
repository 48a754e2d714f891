"""Train a WGAN: python train.py [key=value ...]; -m sweeps, --help lists the keys."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from wgan.command_line import errors_in_one_line


@errors_in_one_line
@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    from wgan.training import train  # PyTorch takes seconds to import: --help does without

    return train(cfg, Path(HydraConfig.get().runtime.output_dir))


if __name__ == "__main__":
    main()
