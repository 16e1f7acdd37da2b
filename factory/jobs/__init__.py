"""Jobs: builds, trainings and evaluations that run in the background and outlive whoever started them."""
