"""Trains on what the factory makes."""
