"""Zip archives, and everything that is packed as one."""
