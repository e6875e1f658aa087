"""Drawings that consist of records for the functions of Windows that paint them."""
