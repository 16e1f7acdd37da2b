"""The routes of the pages: what to look up for each, and what its forms do."""
