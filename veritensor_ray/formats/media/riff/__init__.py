"""RIFF files of sound and film: WAV and AVI."""
