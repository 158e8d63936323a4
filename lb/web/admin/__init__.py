"""For the operator: the admin API (JSON)."""
