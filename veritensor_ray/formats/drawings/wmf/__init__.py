"""Windows metafiles (WMF)."""
