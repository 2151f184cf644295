"""Side-by-side measurements. ``python -m benchmarks`` runs them; nothing here is a test."""
