"""Checks models of Keras, of every version: what their configuration names, fetches and reads. Nothing named in it is ever imported."""
