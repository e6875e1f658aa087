"""Arrow files and streams, and the reading of Parquet, which shares Arrow's types."""
