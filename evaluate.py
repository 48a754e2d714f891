"""Measure a run's generator again: python evaluate.py run=FOLDER [checkpoint=epoch=005] [n=1024] [seeds=5]."""

import re
import sys

import hydra
from omegaconf import DictConfig

from wgan.command_line import errors_in_one_line


@errors_in_one_line
@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    from wgan.evaluation import evaluate  # PyTorch takes seconds to import: --help does without

    evaluate(cfg)


if __name__ == "__main__":
    sys.argv = [re.sub(r"^checkpoint=(\w+=\w+)$", r"checkpoint='\1'", argument) for argument in sys.argv]  # Hydra's way
    main()
