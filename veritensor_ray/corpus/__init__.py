"""What to read: listing, planning and opening the artifacts of a corpus. Does not depend on readers or engines."""
