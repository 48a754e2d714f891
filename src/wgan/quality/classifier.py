"""The classifier of digits on whose features the quality figures rest; its weights come with the package."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from wgan.model.pixels import scale_pixels

WEIGHTS = Path(__file__).with_name("classifier.safetensors")

FEATURES = 64


class DigitClassifier(nn.Module):
    """Images (n, 1, 28, 28) in [-1, 1] to logits (n, 10) of the digits; 105,914 parameters.

    The features are what its last layer sees: (n, 64), 0 or more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, FEATURES),
            nn.ReLU(),
        )
        # Dropout brings the features of images not trained on nearer to those of the training images: a lower floor.
        self.digits = nn.Sequential(nn.Dropout(0.5), nn.Linear(FEATURES, 10))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.digits(self.features(images))
        return logits

    @torch.no_grad()
    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, 64) and digits (n,) of images, uint8 (n, 1, 28, 28)."""
        features = torch.cat([self.features(scale_pixels(batch)) for batch in images.split(500)])
        return features, self.digits(features).argmax(dim=1)


def load_classifier() -> DigitClassifier:
    """The classifier as `python -m wgan.quality.classifier_training` made it, in eval mode."""
    classifier = DigitClassifier()
    classifier.load_state_dict(load_file(WEIGHTS))
    return classifier.eval()
