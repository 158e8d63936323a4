"""The golden table of the rules: body in -> body out, or the problem; what it needs and changed."""

from typing import Any

from attrs import frozen


@frozen
class Row:
    name: str
    sent: dict[str, Any]
    becomes: dict[str, Any] | None = None  # None: nothing changes
    problem: tuple[str, str] | None = None  # (param, code)
    needs: frozenset[str] = frozenset()
    changed: tuple[str, ...] = ()


def with_input(value: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": value, **more}


def text(said: str, role: str = "user") -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": said}]}


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
NATIVE_CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "42"}

PASSING = [
    Row("a string passes", with_input("hi")),
    Row("items pass", with_input([{"role": "user", "content": "hi"}])),
    Row("an empty input passes", with_input([])),
    Row("unknown fields pass", with_input("hi", client_metadata={"a": 1}, brand_new=[1])),
    Row("unknown items pass", with_input([{"type": "brand_new", "content": [{"type": "x"}]}, 1])),
    Row("explicit nulls pass", with_input("hi", tools=None, store=None, reasoning=None)),
    Row("nulls need nothing", with_input("hi", previous_response_id=None, truncation=None)),
    Row("store false needs nothing", with_input("hi", store=False, background=False)),
    Row("reasoning controls are kept", with_input("hi", reasoning={"effort": "high", "x": 1})),
    Row("text.format passes", with_input("hi", text={"format": {"type": "json_schema"}})),
    Row("an integer is a number", with_input("hi", temperature=1, top_p=0.5)),
    Row("a prompt stands for the input", {"model": "m", "prompt": {"id": "p"}}),
    Row("known includes pass", with_input("hi", include=["web_search_call.results"])),
    Row("native tools pass", with_input("hi", tools=[{"type": "function", "name": "f"}])),
    Row("a dated web search passes", with_input("hi", tools=[{"type": "web_search_2025_08_26"}])),
    Row("a native tool_choice passes",
        with_input("hi", tool_choice={"type": "function", "name": "f"})),
    Row("a word about a stripped key passes",
        with_input('say "reasoning_content": and "tool_calls":')),
    Row("a part with a role is left to upstream",
        with_input([{"type": "input_text", "role": "user", "text": "x"}])),
    Row("a call item passes", with_input([NATIVE_CALL, RESULT])),
    Row("an annotation's file_id needs nothing", with_input([
        {"role": "assistant", "content": [
            {"type": "output_text", "text": "x", "annotations": [{"file_id": "file_1"}]}]}])),
]  # fmt: skip

NEEDING = [
    Row("previous_response_id", with_input("hi", previous_response_id="resp_1"),
        needs=frozenset({"previous_response_id"})),
    Row("previous_response_id alone", {"model": "m", "previous_response_id": "resp_1"},
        needs=frozenset({"previous_response_id"})),
    Row("conversation", with_input("hi", conversation={"id": "conv_1"}),
        needs=frozenset({"conversation"})),
    Row("store and background", with_input("hi", store=True, background=True),
        needs=frozenset({"store", "background"})),
    Row("truncation", with_input("hi", truncation="auto"), needs=frozenset({"truncation"})),
    Row("an input_file by id", with_input([
        {"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]),
        needs=frozenset({"file_id"})),
    Row("a file in a tool's output", with_input([
        {"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_image", "file_id": "file_1"}]}]),
        needs=frozenset({"file_id"})),
    Row("a hosted tool", with_input("hi", tools=[{"type": "file_search", "vector_store_ids": []}]),
        needs=frozenset({"tools.file_search"})),
]  # fmt: skip

CHANGING = [
    Row("a user's message", {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
        with_input([text("hi")]), changed=("messages",)),
    Row("system and developer messages", {"model": "m", "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": "hi", "name": "bob"},
            {"role": "developer", "content": [{"type": "text", "text": "b"},
                                              {"type": "text", "text": "c"}]}]},
        with_input([text("hi")], instructions="a\n\nb\nc"), changed=("messages",)),
    Row("after instructions that were given", {"model": "m", "instructions": "first", "messages": [
            {"role": "system", "content": "then"}, {"role": "user", "content": "hi"}]},
        {"model": "m", "instructions": "first\n\nthen", "input": [text("hi")]},
        changed=("messages", "instructions")),
    Row("parts of every kind", {"model": "m", "messages": [{"role": "user", "content": [
            {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            {"type": "image_url", "image_url": "data:,"},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,"}},
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            {"type": "input_text", "text": "native"}]}]},
        with_input([{"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
            {"type": "input_image", "image_url": "data:,"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:,"},
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            {"type": "input_text", "text": "native"}]}]), changed=("messages",)),
    Row("a whole tool turn", {"model": "m", "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": "calling", "tool_calls": [CALL],
             "reasoning_content": "hm"},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "assistant", "content": None, "refusal": "no"}]},
        with_input([text("go"), text("calling", "assistant"), NATIVE_CALL, RESULT,
            {"type": "message", "role": "assistant",
             "content": [{"type": "refusal", "refusal": "no"}]}]), changed=("messages",)),
    Row("a custom tool's turn", {"model": "m", "messages": [
            {"role": "assistant", "tool_calls": [
                {"id": "c1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
        with_input([
            {"type": "custom_tool_call", "call_id": "c1", "name": "sh", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": [
                {"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}]),
        changed=("messages",)),
    Row("a file of a message, by id", {"model": "m", "messages": [
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file_1"}}]}]},
        with_input([{"type": "message", "role": "user",
                     "content": [{"type": "input_file", "file_id": "file_1"}]}]),
        needs=frozenset({"file_id"}), changed=("messages",)),
    Row("null messages beside an input", with_input("hi", messages=None), with_input("hi"),
        changed=("messages",)),
    Row("a null input beside messages", {"model": "m", "input": None,
            "messages": [{"role": "user", "content": "hi"}]},
        with_input([text("hi")]), changed=("messages",)),
    Row("chat tools are flattened", with_input("hi", tools=[
            {"type": "function", "function": {"name": "f", "parameters": {}}, "strict": True},
            {"type": "custom", "custom": {"name": "g", "format": {
                "type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}}],
            tool_choice={"type": "function", "function": {"name": "f"}}),
        with_input("hi", tools=[
            {"type": "function", "strict": True, "name": "f", "parameters": {}},
            {"type": "custom", "name": "g",
             "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}],
            tool_choice={"type": "function", "name": "f"}), changed=("tools", "tool_choice")),
    Row("allowed tools are flattened", with_input("hi", tool_choice={
            "type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
                {"type": "function", "function": {"name": "f"}}]}}),
        with_input("hi", tool_choice={"type": "allowed_tools", "mode": "auto",
                                      "tools": [{"type": "function", "name": "f"}]}),
        changed=("tool_choice",)),
    Row("web search left preview", with_input("hi", tools=[
            {"type": "web_search_preview", "search_context_size": "low"},
            {"type": "web_search_preview_2025_03_11"}, {"type": "function", "name": "f"}],
            tool_choice={"type": "web_search_preview"}),
        with_input("hi", tools=[{"type": "web_search", "search_context_size": "low"},
                                {"type": "web_search"}, {"type": "function", "name": "f"}],
                   tool_choice={"type": "web_search"}), changed=("tools", "tool_choice")),
    Row("foreign keys are stripped", with_input([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "x", "reasoning_content": "a",
             "reasoning_details": [], "tool_calls": [CALL], "function_call": None},
            {"role": "assistant", "content": None, "tool_calls": [CALL]}]),
        with_input([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]),
        changed=("input",)),
    Row("chat items are translated", with_input([
            {"role": "user", "content": [{"type": "text", "text": "go"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "ok"}],
             "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"}]),
        with_input([
            {"role": "user", "content": [{"type": "input_text", "text": "go"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
            NATIVE_CALL, RESULT]), changed=("input",)),
    Row("a call that is there already is not made twice", with_input([
            {"role": "assistant", "content": "", "tool_calls": [CALL]}, NATIVE_CALL,
            {"role": "tool", "tool_call_id": "c1", "content": "42"}]),
        with_input([NATIVE_CALL, RESULT]), changed=("input",)),
    Row("bare parts become a message", with_input([
            {"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:,"},
            {"role": "assistant", "content": "b"}, {"type": "input_text", "text": "c"}]),
        with_input([
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "data:,"}]},
            {"role": "assistant", "content": "b"}, text("c")]), changed=("input",)),
]  # fmt: skip


def chat(*messages: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages)}


def user(*parts: Any) -> dict[str, Any]:
    return chat({"role": "user", "content": list(parts)})


def caller(**call: Any) -> dict[str, Any]:
    return chat({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", **call}]})


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("no model", {"input": "hi"}, "model", "missing_required_parameter"),
    ("null model", {"model": None, "input": "hi"}, "model", "missing_required_parameter"),
    ("blank model", {"model": " ", "input": "hi"}, "model", "invalid_value"),
    ("endless model", {"model": "m" * 257, "input": "hi"}, "model", "invalid_value"),
    ("number model", {"model": 5, "input": "hi"}, "model", "invalid_type"),
    ("no input", {"model": "m"}, "input", "missing_required_parameter"),
    ("null input", {"model": "m", "input": None}, "input", "missing_required_parameter"),
    ("object input", with_input({}), "input", "invalid_type"),
    ("number input", with_input(5), "input", "invalid_type"),
    ("both", with_input("hi", messages=[]), "messages", "mutually_exclusive_parameters"),
    ("no messages", {"model": "m", "messages": []}, "messages", "empty_array"),
    ("two histories", with_input("hi", conversation="c", previous_response_id="r"),
     "previous_response_id", "mutually_exclusive_parameters"),
    ("string stream", with_input("hi", stream="yes"), "stream", "invalid_type"),
    ("number store", with_input("hi", store=1), "store", "invalid_type"),
    ("list instructions", with_input("hi", instructions=[]), "instructions", "invalid_type"),
    ("string temperature", with_input("hi", temperature="0"), "temperature", "invalid_type"),
    ("decimal tokens", with_input("hi", max_output_tokens=1.5),
     "max_output_tokens", "invalid_type"),
    ("string metadata", with_input("hi", metadata="x"), "metadata", "invalid_type"),
    ("number effort", with_input("hi", reasoning={"effort": 1}),
     "reasoning.effort", "invalid_type"),
    ("string format", with_input("hi", text={"format": "json"}), "text.format", "invalid_type"),
    ("conversation id", with_input("hi", conversation={"id": 1}),
     "conversation.id", "invalid_type"),
    ("object tools", with_input("hi", tools={}), "tools", "invalid_type"),
    ("string tool", with_input("hi", tools=[{"type": "mcp"}, "x"]), "tools[1]", "invalid_type"),
    ("null tool", with_input("hi", tools=[None]), "tools[0]", "invalid_type"),
    ("untyped tool", with_input("hi", tools=[{}]), "tools[0].type", "missing_required_parameter"),
    ("number type", with_input("hi", tools=[{"type": 1}]), "tools[0].type", "invalid_type"),
    ("string function", with_input("hi", tools=[{"type": "function", "function": "f"}]),
     "tools[0].function", "invalid_type"),
    ("list tool_choice", with_input("hi", tool_choice=[]), "tool_choice", "invalid_type"),
    ("string choice", with_input("hi", tool_choice={"type": "function", "function": "f"}),
     "tool_choice.function", "invalid_type"),
    ("string allowed", with_input("hi", tool_choice={"type": "allowed_tools", "tools": ["x"]}),
     "tool_choice.tools[0]", "invalid_type"),
    ("unknown include", with_input("hi", include=["reasoning.encrypted_content", "x"]),
     "include[1]", "invalid_value"),
    ("number include", with_input("hi", include=[1]), "include[0]", "invalid_type"),
    ("string message", chat("hi"), "messages[0]", "invalid_type"),
    ("no role", chat({"content": "hi"}), "messages[0].role", "missing_required_parameter"),
    ("list role", chat({"role": []}), "messages[0].role", "invalid_type"),
    ("unknown role", chat({"role": "function"}), "messages[0].role", "invalid_value"),
    ("number content", chat({"role": "user", "content": 5}),
     "messages[0].content", "invalid_type"),
    ("string part", user("x"), "messages[0].content[0]", "invalid_type"),
    ("untyped part", user({}), "messages[0].content[0].type", "missing_required_parameter"),
    ("list type", user({"type": []}), "messages[0].content[0].type", "invalid_type"),
    ("unknown part", user({"type": "x"}), "messages[0].content[0].type", "invalid_value"),
    ("textless part", user({"type": "text"}), "messages[0].content[0].text", "invalid_type"),
    ("no url", user({"type": "image_url", "image_url": {}}),
     "messages[0].content[0].image_url.url", "invalid_type"),
    ("string file", user({"type": "file", "file": "x"}),
     "messages[0].content[0].file", "invalid_type"),
    ("system image", chat({"role": "system", "content": [
        {"type": "image_url", "image_url": "x"}]}), "messages[0].content[0].type", "invalid_value"),
    ("native system text", chat({"role": "system", "content": [{"type": "input_text"}]}),
     "messages[0].content[0].text", "invalid_type"),
    ("no call id", chat({"role": "tool", "content": "x"}),
     "messages[0].tool_call_id", "missing_required_parameter"),
    ("native tool text", chat({"role": "tool", "tool_call_id": "c", "content": [
        {"type": "input_text"}]}), "messages[0].content[0].text", "invalid_type"),
    ("object calls", chat({"role": "assistant", "tool_calls": {}}),
     "messages[0].tool_calls", "invalid_type"),
    ("unknown call", caller(type=[]), "messages[0].tool_calls[0].type", "invalid_value"),
    ("no function", caller(), "messages[0].tool_calls[0].function", "invalid_type"),
    ("object arguments", caller(function={"name": "f", "arguments": {}}),
     "messages[0].tool_calls[0].function.arguments", "invalid_type"),
    ("item without call id", with_input([{"role": "user"}, {"role": "tool", "content": "x"}]),
     "input[1].tool_call_id", "missing_required_parameter"),
    ("item's textless part", with_input([{"role": "user", "content": [{"type": "text"}]}]),
     "input[0].content[0].text", "invalid_type"),
]  # fmt: skip

ROWS = [
    *PASSING,
    *NEEDING,
    *CHANGING,
    *(Row(name, sent, problem=(param, code)) for name, sent, param, code in REFUSED),
]
