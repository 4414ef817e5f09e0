"""Protect small servers from abuse while no client address reaches the disk."""

import os

__version__ = "0.1.0"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start threads, which burn CPU and are of no use here
