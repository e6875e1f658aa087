"""Readers of office documents: OOXML, OpenDocument and the formats before them."""
