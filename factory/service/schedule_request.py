"""What a caller of the API may have run again and again."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from factory.schedules.schedule import NewSchedule, Overlap
from factory.service.job_request import JobRequest, is_incremental, to_command
from factory.service.settings import Settings


class ScheduleRequest(BaseModel):
    """A job, and when. A build makes only what is new, unless its `new_only` is false."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str = Field(max_length=200, examples=["0 2 * * *"])
    zone: str = Field(default="UTC", max_length=64, examples=["Europe/Berlin"])
    job: JobRequest
    misfire: str = Field(default="run-once", max_length=16, description="skip, run-once or catch-up:N")
    overlap: Overlap = "skip"
    jitter_s: int = Field(default=0, ge=0, le=86400)


def to_schedule(request: ScheduleRequest, settings: Settings, home: Path) -> NewSchedule:
    """Raises DataError."""
    job = request.job
    if job.new_only is None:
        job = job.model_copy(update={"new_only": is_incremental(job.kind)})
    return NewSchedule(
        cron=request.cron,
        zone=request.zone,
        command=to_command(job, settings, home),
        title=job.title,
        misfire=request.misfire,
        overlap=request.overlap,
        jitter_s=request.jitter_s,
        max_cost_usd=job.max_cost_usd,
        folder=str(home),
    )
