"""TOUCHES THE WORLD. Knows core only (and what the config says)."""
