"""What lb costs, measured on this machine: ``make bench``, or ``python -m bench --help``.

upstream.c load.c    the scripted upstream and the load generator, built on the spot with cc
uv.py                both of them in Python on uvloop, where there is no cc
floor.py             a bare relay: what any proxy on aiohttp costs at the least
rig.py               starts all of it, cores apart, and runs one measurement
contenders.py        direct, nginx, the bare relay, lb, LiteLLM: how each is started
processes.py         CPU and memory of a tree of processes, as the kernel tells it
bodies.py            request bodies: a small one, and Codex-like ones of any size
parts/               what is measured; each part gives tables
tables.py            medians, spread, ratios; Markdown that can be read in a terminal
hot.py               ``python -m bench profile``: where lb spends its time
"""
