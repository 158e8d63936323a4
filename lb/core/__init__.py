"""DECIDES. No await, no clock, no chance, no I/O, no log: ``now`` and ``rng`` are arguments.

So the whole of scheduling runs in a simulator, and in tests without an event loop
(``tests/test_floors.py`` holds it).
"""
