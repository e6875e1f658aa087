"""Readers of model and array files: the strings in their headers, opcodes and arrays. Nothing is unpickled."""
