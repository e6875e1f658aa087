"""ISO base media and QuickTime: MPEG-4, M4A, 3GPP, MOV."""
