"""What the admin API of a running server answers, as an example."""

import time
from typing import Any


# reason: one example of one answer
def status() -> dict[str, Any]:
    """GET /admin/status."""
    now = time.time()
    return {
        "version": "9.8.7",
        "uptime_s": 3725.4,
        "ready": True,
        "strategy": "balanced",
        "config": {
            "path": "accounts.toml",
            "problems": ["accounts[0].weight: must be more than 0"],
        },
        "pool": {"accounts": 2, "ready": 1, "in_flight": 3, "text": "1 ready, 1 needs login"},
        "accounts": [
            {
                "id": "team-a",
                "kind": "openai",
                "state": "cooling",
                "reason": "[red]429\x1b[2J",
                "until": now + 95,
                "in_flight": 3,
                "limit": 4,
                "max_in_flight": 16,
                "latency_ms": 412.6,
                "windows": [{"name": "5h", "used": 0.43, "resets_at": now + 7300}],
                "blocks": [],
                "counts": {"requests": 12, "succeeded": 10, "failed": 2},
                "last_error": None,
            },
            {
                "id": "team-b",
                "kind": "chatgpt",
                "state": "ready",
                "reason": "",
                "until": None,
                "in_flight": 0,
                "limit": None,
                "max_in_flight": 16,
                "latency_ms": None,
                "windows": [],
                "blocks": [],
                "counts": {"requests": 0, "succeeded": 0, "failed": 0},
                "last_error": {"at": now - 60, "reason": "503 server_error"},
            },
        ],
    }


EXPLANATION: dict[str, Any] = {
    "model": "gpt-5.5",
    "chosen": "team-b",
    "strategy": "headroom",
    "accounts": [
        {"id": "team-b", "verdict": "chosen", "reason": "most headroom"},
        {"id": "team-a", "verdict": "out", "reason": "cooling for 95 s"},
    ],
}
