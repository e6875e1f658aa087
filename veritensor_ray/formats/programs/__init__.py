"""Compiled programs, which no reader opens."""
