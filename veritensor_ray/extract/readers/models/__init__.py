"""Readers of model and array files: the texts in their headers, opcodes and arrays. Nothing is unpickled."""
