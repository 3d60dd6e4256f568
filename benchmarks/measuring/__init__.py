"""What the benchmarks share: environments with installed wheels, worker processes, and the table of figures."""
