"""Sweeps: jobs that are known by what they compute, run in parallel, go on after anything, and are summed up."""
