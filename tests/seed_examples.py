"""The example requests of the gateways whose features lb has, as their pages give them."""

from typing import Any

Json = dict[str, Any]

REFACTOR = [{"role": "user", "content": "Refactor: make this function pure"}]
LLMTR: dict[str, Json] = {
    "responses, basic": {"model": "openai/gpt-5.1-codex:high", "messages": REFACTOR},
    "responses, the body field": {
        "model": "openai/gpt-5.1-codex",
        "reasoning": {"effort": "high"},
        "messages": REFACTOR,
    },
    "effort, suffix": {
        "model": "openai/gpt-5.3-codex:max",
        "messages": [{"role": "user", "content": "Make this algorithm O(n)"}],
    },
    "effort, body": {
        "model": "openai/gpt-5.1-codex",
        "reasoning": {"effort": "low", "summary": "concise"},
        "messages": [{"role": "user", "content": "Quick one-line answer"}],
    },
}

CODEX_LB: dict[str, Json] = {
    "basic": {"model": "gpt-4.1", "input": "Explain quantum entanglement in simple terms"},
    "streaming": {"model": "gpt-4.1", "input": "Write a short story about a robot", "stream": True},
    "instructions": {
        "model": "gpt-4.1",
        "instructions": "You are a helpful coding assistant. "
        "Provide concise answers with code examples.",
        "input": "How do I sort a list in Python?",
    },
    "messages": {
        "model": "gpt-4.1",
        "messages": [
            {"role": "system", "content": "You are a math tutor."},
            {"role": "user", "content": "What is 15 * 23?"},
        ],
    },
    "tools": {
        "model": "gpt-4.1",
        "input": "What is the current time in Tokyo?",
        "tools": [
            {
                "type": "function",
                "name": "get_time",
                "description": "Get current time for a timezone",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "timezone": {"type": "string", "description": "IANA timezone name"}
                    },
                    "required": ["timezone"],
                },
            }
        ],
        "tool_choice": "auto",
    },
    "web search": {
        "model": "gpt-4.1",
        "input": "What are the latest developments in fusion energy?",
        "tools": [{"type": "web_search"}],
    },
    "reasoning": {
        "model": "gpt-5.2",
        "input": "Solve this complex math problem: ...",
        "reasoning": {"effort": "high", "summary": "concise"},
    },
    "structured output": {
        "model": "gpt-4.1",
        "input": "List 3 programming languages with their use cases",
        "text": {
            "format": {
                "type": "json_schema",
                "name": "languages",
                "schema": {
                    "type": "object",
                    "properties": {
                        "languages": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "name": {"type": "string"},
                                    "use_case": {"type": "string"},
                                },
                                "required": ["name", "use_case"],
                            },
                        }
                    },
                },
                "strict": True,
            }
        },
    },
    "conversation": {
        "model": "gpt-4.1",
        "input": "Tell me more about that",
        "conversation": "conv_abc123",
    },
}

TEMPLATE: Json = {
    "model": "<string>",
    "input": {},
    "instructions": "<string>",
    "messages": [{}],
    "tools": [{}],
    "tool_choice": {},
    "parallel_tool_calls": True,
    "reasoning": {},
    "text": {},
    "stream": True,
    "include": [{}],
    "conversation": "<string>",
    "previous_response_id": "<string>",
    "store": True,
    "truncation": "<string>",
    "prompt_cache_key": "<string>",
}
"""codex-lb's form to fill in: not a request, since it says everything twice."""

LLM_ROUTER: Json = {
    "model": "<string>",
    "input": [{"role": "system", "content": "<string>", "name": "<string>"}],
    "gateway": {
        "zdr": True,
        "order": ["<string>"],
        "only": ["<string>"],
        "planningTriggerScore": 0.6,
        "imageGenerationModel": "<string>",
        "tags": [{"name": "<string>", "description": "<string>", "models": ["<string>"]}],
        "chatHistoryCompression": {"enabled": True, "score": 0.6},
        "mediaOptimization": False,
        "toolOptimization": {
            "enabled": True,
            "acceptScore": 0.5,
            "alwaysInclude": ["<string>"],
        },
        "redact": {
            "email": True,
            "phone": True,
            "ip": True,
            "uuid": True,
            "token": True,
            "credit_card": True,
            "iban": True,
            "ssn": True,
            "mac": True,
            "custom": ["<string>"],
        },
    },
}

A4F: Json = {
    "model": "provider-5/gpt-5-codex",
    "input": [
        {
            "role": "user",
            "content": "Analyze the correlation between user engagement and feature adoption.",
        }
    ],
    "instructions": "You are a data analyst. "
    "Provide step-by-step reasoning before your final answer.",
    "max_tokens": 1024,
    "temperature": 0.5,
}
