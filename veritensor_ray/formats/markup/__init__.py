"""Readers of HTML, SVG and XML: one tokenizer that never fails and keeps the location of every character, and two readers on top of it."""
