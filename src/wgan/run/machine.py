"""What a run needs of the machine."""

import os
import shutil
from importlib.util import find_spec

import torch
from omegaconf import DictConfig, OmegaConf

from wgan.errors import UserError
from wgan.run.configuration import SENDING


def check_machine(cfg: DictConfig) -> None:
    """Raises UserError if this machine lacks what the configuration asks for."""
    trainer = cfg.trainer
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if trainer.accelerator == "gpu" and not has_gpu:
        raise UserError("trainer.accelerator=gpu: PyTorch finds no GPU here; set trainer.accelerator=auto or cpu")
    if trainer.precision == "16-mixed" and (trainer.accelerator == "cpu" or not has_gpu):
        raise UserError("trainer.precision=16-mixed: needs a GPU; set trainer.precision=bf16-mixed or 32-true")
    for name, logger in cfg.get("logger", {}).items():
        package = SENDING.get(logger.get("_target_"))
        if package and not find_spec(package):
            raise UserError(f"logger.{name}: needs the package {package}; pip install '.[{package}]' installs it")
    compilers = (os.environ.get("CXX", "g++"), "clang++", "cl")
    if OmegaConf.select(cfg, "model.compile") and not any(map(shutil.which, compilers)):
        raise UserError("model.compile=True: needs a C++ compiler; install g++, or set model.compile=false")


def has_bfloat16(device: torch.device) -> bool:
    """Whether PyTorch is quick with bfloat16 there; on x86 without AVX-512 float32 is many times as fast."""
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX2"
