"""What to read: listing, planning and opening the artifacts of a corpus. It does not depend on readers or engines."""
