#!/usr/bin/env python3
"""Writes src/text/testdata/template_goldens.json: real chat templates rendered by Jinja2.

Run: python3 tools/golden/make_template_goldens.py ../shared/chat-templates
Contexts are stored once. For each template, one result per context: the text's length in bytes and FNV-1a hash, or
{"e": "..."} where Jinja2 raises. The templates themselves are not part of hadal; their hashes tell whether they are
the ones that the goldens were made from.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hf_jinja  # noqa: E402



def fnv1a(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather <of> a city & \"more\".",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city, e.g. Zürich"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                    "days": {"type": ["integer", "null"], "description": "How many", "minimum": 1},
                    "detail": {"type": "object", "properties": {"wind": {"type": "boolean"}}, "required": ["wind"]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["city"],
            },
            "return": {"type": "string", "description": "The weather"},
        },
    },
    {"type": "function", "function": {"name": "now", "description": "Time", "parameters": {"type": "object", "properties": {}}}},
]


def call(name, arguments, id="call00001"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def contexts():
    c = {}
    hi = [user("Hello there")]
    c["single"] = dict(messages=hi, add_generation_prompt=True)
    c["single_no_prompt"] = dict(messages=hi, add_generation_prompt=False)
    system = [{"role": "system", "content": "You are terse."}] + hi
    c["system"] = dict(messages=system, add_generation_prompt=True)
    turns = system + [assistant("Hi!"), user("  How are\nyou? "), assistant("\n Fine. \n"), user("Good")]
    c["turns"] = dict(messages=turns, add_generation_prompt=True)
    c["turns_no_prompt"] = dict(messages=turns[:-1], add_generation_prompt=False)
    c["tools"] = dict(messages=hi, tools=TOOLS, add_generation_prompt=True)
    c["tools_system"] = dict(messages=system, tools=TOOLS, add_generation_prompt=True)
    args = {"city": "Zürich", "unit": "celsius", "days": 2, "x": 1.5, "on": True, "nil": None, "list": [1, "a"]}
    called = [user("Weather?"), assistant("", tool_calls=[call("get_weather", args)])]
    result = {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": '{"temp": 21}'}
    c["tool_call"] = dict(messages=called, tools=TOOLS, add_generation_prompt=False)
    c["tool_call_none_content"] = dict(
        messages=[user("Weather?"), assistant(None, tool_calls=[call("get_weather", args)]), result],
        tools=TOOLS, add_generation_prompt=True)
    c["tool_call_no_content"] = dict(
        messages=[user("Weather?"), {"role": "assistant", "tool_calls": [call("get_weather", args)]}, result],
        tools=TOOLS, add_generation_prompt=True)
    c["tool_call_str_args"] = dict(
        messages=[user("Weather?"), assistant("ok", tool_calls=[call("get_weather", json.dumps(args))]), result],
        tools=TOOLS, add_generation_prompt=True)
    c["tool_result"] = dict(messages=called + [result], tools=TOOLS, add_generation_prompt=True)
    c["tool_many"] = dict(
        messages=[user("Weather?"), assistant("Let me look.", tool_calls=[call("get_weather", args), call("now", {}, "call00002")]),
                  result, {"role": "tool", "tool_call_id": "call00002", "name": "now", "content": "12:00"},
                  assistant("It is 21."), user("Thanks")],
        tools=TOOLS, add_generation_prompt=True)
    c["tool_no_tools"] = dict(messages=called + [result], add_generation_prompt=True)
    c["tool_dict_result"] = dict(messages=called + [dict(result, content={"temp": 21, "ok": True})], tools=TOOLS, add_generation_prompt=True)
    parts = [{"type": "text", "text": "Look at"}, {"type": "text", "text": " this"}]
    c["parts"] = dict(messages=[{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, user(parts)], add_generation_prompt=True)
    c["parts_image"] = dict(messages=[user(parts + [{"type": "image", "image": "a.png"}])], add_generation_prompt=True)
    c["parts_turns"] = dict(messages=[user(parts), assistant([{"type": "text", "text": "I see"}]), user("And?")], add_generation_prompt=True)
    thought = [user("2+2?"), assistant("4", reasoning_content="Two and two.\n"), user("And 3+3?")]
    c["reasoning"] = dict(messages=thought, add_generation_prompt=True)
    c["reasoning_last"] = dict(messages=thought[:2], add_generation_prompt=False)
    c["reasoning_inline"] = dict(messages=[user("2+2?"), assistant("<think>\nTwo.\n</think>\n\n4"), user("3+3?")], add_generation_prompt=True)
    c["reasoning_tools"] = dict(
        messages=[user("Weather?"), assistant("", reasoning_content="I need a tool.", thinking="I need a tool.", tool_calls=[call("get_weather", args)]), result],
        tools=TOOLS, add_generation_prompt=True)
    c["enable_thinking"] = dict(messages=turns, enable_thinking=True, thinking=True, reasoning_effort="high", add_generation_prompt=True)
    c["disable_thinking"] = dict(messages=turns, enable_thinking=False, thinking=False, reasoning_effort="low", add_generation_prompt=True)
    c["empty"] = dict(messages=[], add_generation_prompt=True)
    c["empty_content"] = dict(messages=[{"role": "system", "content": ""}, user("")], add_generation_prompt=True)
    c["unicode"] = dict(messages=[{"role": "system", "content": "ÄÖÜ ß İ ǆ"}, user("日本語 🙂 e\u0301 \u00a0\u2028 ﬁ ΑΣ <b>&'\"")], add_generation_prompt=True)
    c["unicode_tools"] = dict(messages=called + [dict(result, content="21 °C 🙂")], tools=TOOLS, add_generation_prompt=True)
    docs = [{"title": "Cats", "text": "Cats purr."}, {"title": "Dogs", "text": "Dogs bark.", "doc_id": 7}]
    c["documents"] = dict(messages=hi, documents=docs, add_generation_prompt=True)
    c["assistant_first"] = dict(messages=[assistant("Hi"), user("Hello")], add_generation_prompt=True)
    c["two_users"] = dict(messages=[user("a"), user("b")], add_generation_prompt=True)
    c["bad_role"] = dict(messages=[{"role": "alien", "content": "beep"}], add_generation_prompt=True)
    c["no_role"] = dict(messages=[{"content": "beep"}], add_generation_prompt=True)
    c["system_later"] = dict(messages=hi + [{"role": "system", "content": "late"}, user("more")], add_generation_prompt=True)
    c["developer"] = dict(messages=[{"role": "developer", "content": "Dev says"}] + hi, add_generation_prompt=True)
    c["content_none"] = dict(messages=[user(None)], add_generation_prompt=True)
    c["content_number"] = dict(messages=[user(42)], add_generation_prompt=True)
    c["no_messages"] = dict(add_generation_prompt=True)
    c["bare_tools"] = dict(messages=hi, tools=[t["function"] for t in TOOLS], add_generation_prompt=True)
    c["system_tool_prompt"] = dict(messages=system, tools=TOOLS, builtin_tools=["browser", "python"], tools_in_user_message=False,
                                   date_string="01 Jan 2025", model_identity="I am hadal.", add_generation_prompt=True)
    for value in c.values():
        # transformers passes these always.
        value.setdefault("tools", None)
        value.setdefault("documents", None)
        value.setdefault("bos_token", "<s>")
        value.setdefault("eos_token", "</s>")
    return c


def main():
    folder = pathlib.Path(sys.argv[1])
    env = hf_jinja.environment()
    ctx = contexts()
    out = {"now": hf_jinja.NOW, "contexts": ctx, "templates": {}}
    rendered = failed = 0
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        results = {}
        for name, context in ctx.items():
            ok, text = hf_jinja.render(env, source, context)
            rendered += ok
            failed += not ok
            if ok:
                data = text.encode("utf-8")
                results[name] = [len(data), fnv1a(data)]
            else:
                results[name] = {"e": text[:80]}
        out["templates"][path.name] = {"hash": fnv1a(source.encode()), "results": results}
    target = pathlib.Path(__file__).parents[2] / "src/text/testdata/template_goldens.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(out['templates'])} templates x {len(ctx)} contexts: {rendered} texts, {failed} errors; {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
