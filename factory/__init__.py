"""Builds datasets: talks to models, keeps what they answer, commits versions, and offers the commands."""
