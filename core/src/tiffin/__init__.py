"""Tiffin stores, versions, moves, runs and serves machine-learning models."""
