"""What keeps a report from being made."""

from __future__ import annotations

from trainer.errors import TrainError


class ReportError(TrainError):
    """The message names the flag, file or folder, and what to do."""
