"""Experiments with the Wasserstein GAN with weight clipping (Arjovsky et al. 2017, arXiv:1701.07875)."""
