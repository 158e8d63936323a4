"""Durable facts: where the standing of accounts is kept over restarts."""
