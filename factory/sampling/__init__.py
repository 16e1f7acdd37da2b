"""Talks to models. One protocol, `Sampler`, and the engines behind it. Imports only `schemas`."""
