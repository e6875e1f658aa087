"""Compares the walk through the opcodes of pickles with the unpicklers of Python, whose names and calls are replaced by recorders."""
