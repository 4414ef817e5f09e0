"""Benchmarks and the load they run on: `python -m bench.generate` makes logs."""
