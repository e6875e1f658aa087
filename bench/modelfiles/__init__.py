"""Measure the engine `modelfiles` on attacks that it has not seen, on their benign twins, and on files that libraries have written."""
