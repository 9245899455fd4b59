"""Live streams: one task per process looks, however many screens watch."""
