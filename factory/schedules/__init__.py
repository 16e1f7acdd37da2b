"""Schedules: commands that become jobs at the times of a cron expression, each time once."""
