"""Bytes to segments: sniffing, decoding, readers; it knows no engine."""
