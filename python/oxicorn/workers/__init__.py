"""The worker classes."""
