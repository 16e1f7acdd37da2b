"""The service: jobs, schedules and datasets over HTTP, for people and for programs."""
