"""Readers of pictures: the picture for OCR, and every text that is written beside the pixels."""
