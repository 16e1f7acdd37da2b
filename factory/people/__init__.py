"""People label pairs of answers: queues, the router that decides which they see, and what becomes of the labels."""
