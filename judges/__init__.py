"""What is good: verifiers, which compute, and judges, which ask a model."""
