"""Make images with a finished run: python generate.py run=FOLDER [n=100] [seed=0] [out=samples.png]."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends imports, and the very end, without a traceback

import hydra
from omegaconf import DictConfig

from wgan.commands import help  # noqa: A004, F401, conf/ asks for what it tells
from wgan.commands.one_line import errors_in_one_line, errors_past_hydra
from wgan.run.names import with_names_quoted


@errors_in_one_line
@with_names_quoted("run", "out", "checkpoint")
@hydra.main(version_base="1.3", config_path="conf", config_name="generate")
@errors_past_hydra()
def main(cfg: DictConfig) -> None:
    from wgan.commands.generation import generate  # PyTorch takes seconds to import: --help does without

    generate(cfg)


if __name__ == "__main__":
    main()
