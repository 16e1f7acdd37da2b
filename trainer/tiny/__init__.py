"""A language model of about a million parameters, made on the spot: for tests, benches and the demo on a laptop."""
