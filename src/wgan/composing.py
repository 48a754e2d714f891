"""The configuration of a run, composed from Python."""

from hydra import compose as compose_with_hydra
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from wgan import CONF
from wgan.commands.one_line import explain_error
from wgan.errors import UserError
from wgan.run.unread import check_keys_read
from wgan.sweeps.identity import check_no_sweep, run_configuration


def compose(*overrides: str) -> DictConfig:
    """Compose what `python train.py OVERRIDES` trains: compose("experiment=smoke", "data.digit=3"), say.

    Values can be changed afterwards: `cfg.optimizer.lr = 1e-4`.

    Raises:
        UserError: if there is no such key or choice, in one line.
    """
    typed = list(overrides)
    try:
        check_no_sweep(typed)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose_with_hydra("train", typed)
        check_keys_read(cfg, typed)
        return run_configuration(cfg)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_error(error, typed) or str(error)) from error
