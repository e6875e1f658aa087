"""Drivers: they decide what runs when, move references and never data."""
