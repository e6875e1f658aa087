"""Drivers: they decide what runs when, and move references, never data."""
