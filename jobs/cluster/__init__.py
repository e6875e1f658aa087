"""Ray and its machines: what is started, what is joined, what each machine may hold."""
