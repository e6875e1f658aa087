"""TFRecord: records with checksums, which hold protocol buffers."""
