"""Inception's features, on which published figures rest."""

import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from wgan.errors import UserError
from wgan.model.randomness import seed_globally

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"  # of the weights, 95 MB


def load_inception() -> Callable[[Tensor], Tensor]:
    """torch-fidelity's Inception v3, whose weights are TensorFlow's of 2015 (Heusel et al. 2017), on a GPU if there is.

    Its features are (n, 2048), of images, uint8 (n, channels, height, width); grey ones have their channel three times.

    Raises:
        UserError: if the weights are damaged, or neither there nor to be fetched.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", Path(URL_INCEPTION_V3).name)
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=SHA256)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"callbacks.quality.features=inception: its weights are not there and cannot be fetched ({reason}); "
                f"copy {URL_INCEPTION_V3} to {path}"
            ) from error
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != SHA256:  # only what is known to be harmless is read by torch-fidelity
        raise UserError(f"{path}: damaged, its SHA-256 is not {SHA256}; remove it, and it is fetched anew")
    with seed_globally(0):
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], BytesIO(weights))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    return lambda images: network(images.to(device).expand(-1, 3, -1, -1))[0]
