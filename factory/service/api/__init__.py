"""`/api/v1`: all that the pages show, as JSON."""
