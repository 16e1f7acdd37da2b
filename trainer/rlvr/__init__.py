"""Reinforcement learning with verifiable rewards: prompts are drawn, answered, graded and learnt from."""
