"""Runners: many callers use one model as if each had it alone."""
