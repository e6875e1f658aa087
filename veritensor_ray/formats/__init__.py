"""The structure of model files, shared by engines and readers: positions and names, never values that run.

It depends on neither engines nor readers.
"""
