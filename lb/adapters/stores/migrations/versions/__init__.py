"""One file for each version; those that were released never change."""
