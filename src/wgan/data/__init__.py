"""Real images, and pictures of images."""
