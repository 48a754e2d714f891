import pathlib

from .callbacks.critic_weights import CriticWeights as CriticWeights
from .callbacks.divergence import Divergence as Divergence
from .callbacks.history import History as History
from .callbacks.loggers import CSV as CSV
from .callbacks.loggers import MLflow as MLflow
from .callbacks.loggers import WandB as WandB
from .callbacks.progress import Progress as Progress
from .callbacks.quality import Quality as Quality
from .callbacks.samples import Samples as Samples
from .callbacks.tensorboard import TensorBoard as TensorBoard
from .composing import compose as compose
from .data.folder import FolderImages as FolderImages
from .data.images import ImageData as ImageData
from .data.like_mnist import LikeMNIST as LikeMNIST
from .data.mnist import MNISTDigits as MNISTDigits
from .data.stacked import StackedMNIST as StackedMNIST
from .errors import UserError as UserError
from .model.clipping import WeightClipping as WeightClipping
from .model.convolution import Conv2d as Conv2d
from .model.convolution import ConvTranspose2d as ConvTranspose2d
from .model.convolution import SingleChannelConv2d as SingleChannelConv2d
from .model.gradient_penalty import GradientPenalty as GradientPenalty
from .model.lipschitz import LipschitzMethod as LipschitzMethod
from .model.networks import Critic as Critic
from .model.networks import Generator as Generator
from .model.spectral_norm import SpectralNorm as SpectralNorm
from .model.wgan import WGAN as WGAN
from .quality.figures import Reference as Reference
from .quality.modes import ModeDivergence as ModeDivergence
from .quality.modes import Modes as Modes
from .run.log import RunLog as RunLog
from .run.opened import Run as Run
from .run.opened import open_run as open_run
from .run.training import train as train
from .sweeps.launch import Launch as Launch
from .sweeps.pruning import MedianPruning as MedianPruning
from .sweeps.summary import open_sweep as open_sweep

PACKAGE: pathlib.Path
HAS_CHECKOUT: bool
PROJECT: pathlib.Path
CONF: pathlib.Path
__all__: list[str]
