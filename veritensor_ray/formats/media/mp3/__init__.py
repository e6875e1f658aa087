"""MP3: frames of MPEG audio between tags."""
