"""Experiments with the Wasserstein GAN with weight clipping (Arjovsky et al. 2017, arXiv:1701.07875)."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
