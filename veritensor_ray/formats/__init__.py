"""Turns bytes into segments: sniffing, decoding and readers. It does not depend on any engine."""
