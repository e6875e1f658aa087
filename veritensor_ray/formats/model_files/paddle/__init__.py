"""Paddle programs."""
