"""The algorithm, its networks, and the random numbers that it draws."""
