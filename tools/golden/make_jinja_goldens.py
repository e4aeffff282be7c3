#!/usr/bin/env python3
"""Writes src/text/testdata/jinja_goldens.json: small templates that pin Jinja2's semantics, with Jinja2's output.

Run: python3 tools/golden/make_jinja_goldens.py
The snippets are in tools/golden/jinja_snippets.py. Results: {"t": template, "o": output} or {"t": template, "e": error}.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hf_jinja  # noqa: E402
import jinja_snippets  # noqa: E402


def main():
    env = hf_jinja.environment()
    cases, errors, seen = [], 0, set()
    for template in jinja_snippets.templates():
        if template in seen:
            continue
        seen.add(template)
        ok, text = hf_jinja.render(env, template, jinja_snippets.CONTEXT)
        if ok and (" at 0x" in text or "<function" in text):
            continue  # prints an address in memory: nothing to compare
        errors += not ok
        cases.append({"t": template, "o": text} if ok else {"t": template, "e": text[:100]})
    out = {"now": hf_jinja.NOW, "context": jinja_snippets.CONTEXT, "cases": cases}
    target = pathlib.Path(__file__).parents[2] / "src/text/testdata/jinja_goldens.json"
    target.parent.mkdir(exist_ok=True)
    text = json.dumps(out, ensure_ascii=False, separators=(",", ":"))
    target.write_text(text.replace('{"t":', '\n{"t":') + "\n", encoding="utf-8")
    print(f"{len(cases)} templates, {errors} of them errors; {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
