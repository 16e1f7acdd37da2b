"""The commands: each file holds one group, thin over the package that does the work."""
