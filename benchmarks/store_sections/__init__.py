"""The sections of benchmarks/store.py, and what runs within the measured environments."""
