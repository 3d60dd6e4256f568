"""What tests and benchmarks take from inside core's rooms, a module per room: the one place that follows when it moves."""
