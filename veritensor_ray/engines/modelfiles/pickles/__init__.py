"""What pickles refer to and call. Nothing is unpickled."""
