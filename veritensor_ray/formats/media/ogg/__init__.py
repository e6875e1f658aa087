"""Ogg: pages of Vorbis, Opus, FLAC, Speex and Theora."""
