"""What --help tells of keys and their values; conf/ asks for it."""

from omegaconf import OmegaConf

from wgan import CONF
from wgan.run.rules import RULES


def describe_keys(command: str) -> str:
    """The keys of a command with their defaults and comments: what conf/COMMAND.yaml begins with."""
    return (CONF / f"{command}.yaml").read_text().partition("\n\ndefaults:")[0]


def describe_values() -> str:
    """What the values of a training command's keys must be, a line a key."""
    return "\n".join(f"{key}: {rule.words}" for key, rule in RULES.items())


OmegaConf.register_new_resolver("keys_of", describe_keys, replace=True)
OmegaConf.register_new_resolver("values", describe_values, replace=True)
