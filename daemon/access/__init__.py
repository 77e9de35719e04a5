"""Ways to archived photos that need no `restore`."""
