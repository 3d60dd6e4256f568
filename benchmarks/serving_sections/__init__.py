"""The sections of benchmarks/serving.py, the servers that they measure, and the client that asks them."""
