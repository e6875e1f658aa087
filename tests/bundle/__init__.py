"""Bundles: made, carried, imported, used."""
