"""New weights for engines that run."""
