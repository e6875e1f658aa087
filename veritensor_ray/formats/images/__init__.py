"""Readers of images: the image for OCR, and all text stored beside the pixels."""
