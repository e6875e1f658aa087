"""Pickles: their opcodes and what these would build. Nothing is ever unpickled."""
