#!/usr/bin/env python3
"""Compares hadal's template engine with Jinja2 on random templates.

Run: python3 tools/jinja_differential.py build/release/src/text/jinja_cli [count] [seed]
Prints every template whose output differs, or that raises in one engine only. Known differences are not generated:
integers beyond 127 bits, addresses in memory.
"""

import json
import os
import pathlib
import random
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "golden"))
import hf_jinja  # noqa: E402
import jinja_snippets  # noqa: E402

ATOMS = """1 0 -1 2 7 2.5 -0.5 1e3 0.1 true false none 'a' 'Hello' '' 'é日' ' x y ' 'a,b' [] [1,2] ['b','a'] {} {'a':1} (1,2) ()
s u i f t n l ls lm el d ed nd ll users nope html range(3) 'abc' '12' [[1,2],[3]] sp lines""".split()
BINARY = "+ - * / // % ~ == != < > <= >= in and or".split() + ["not in"]
FILTERS = """upper lower title capitalize trim length first last list sort reverse unique join(',') join int float string abs round
default('z') d('z',true) tojson tojson(indent=1) items dictsort sum min max map('string') map(attribute='name') select reject
select('odd') selectattr('age') selectattr('age','gt',26) rejectattr('on') batch(2) slice(2) groupby('age') replace('a','b') indent
indent(2,true) center(9) truncate(5,true,'.',0) wordcount wordwrap(4) escape e safe urlencode striptags round(1) sort(reverse=true)
sort(attribute='name') join('-',attribute='name') format(1) xmlattr pprint attr('upper') filesizeformat forceescape count""".split()
TESTS = """defined undefined none string number integer float boolean mapping sequence iterable odd even true false lower upper
callable escaped in([1,'a']) eq(1) ne('a') lt(2) gt(1) sameas(none) divisibleby(2)""".split()
METHODS = """upper() lower() strip() split() split(',') split(' ',1) rsplit(none,1) title() startswith('a') endswith(('a','o')) replace('a','b')
count('a') find('l') join(['x','y']) format(1,2) items() keys() values() get('a') get('q',1) index(1) zfill(5) ljust(4)
rjust(4,'*') center(7) splitlines() partition('l') rpartition('l') removeprefix('H') removesuffix('o') isdigit() isalpha() swapcase() istitle()
append(1) pop() lstrip('H') rstrip('o') capitalize() name a 0 x.y casefold() expandtabs(3) isspace() rfind('l') islower()""".split()
SUBSCRIPTS = "[0] [-1] [1:] [:2] [::-1] ['a'] ['name'] [1:-1] [::2] [5] [none] [:-1] [-2:]".split()


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def expression(self, depth):
        r = self.rng
        if depth <= 0 or r.random() < 0.15:
            return r.choice(ATOMS)
        kind = r.randrange(9)
        sub = lambda: self.expression(depth - 1)  # noqa: E731
        if kind == 0:
            return f"({sub()} {r.choice(BINARY)} {sub()})"
        if kind in (1, 2):
            return f"({sub()})|{r.choice(FILTERS)}"
        if kind == 3:
            return f"(({sub()}) is {r.choice(['', 'not '])}{r.choice(TESTS)})"
        if kind in (4, 5):
            return f"({sub()}).{r.choice(METHODS)}"
        if kind == 6:
            return f"({sub()}){r.choice(SUBSCRIPTS)}"
        if kind == 7:
            return r.choice([f"({sub()} if {sub()} else {sub()})", f"[{sub()}, {sub()}]", f"{{'k': {sub()}}}", f"({sub()}, {sub()})"])
        spec = r.choice(["'%s'", "'%5.1f'", "'%d'", "'%r|%s'", "'%-6s|'", "'{:>8}'.format", "'{!r:^9}'.format", "'{:.2f}'.format", "'{:08}'.format", "'{:,}'.format"])
        return f"{spec}({sub()})" if spec.endswith("format") else f"({spec} % ({sub()}))"

    def statement(self, depth):
        r = self.rng
        name = lambda: r.choice(["x", "y", "i", "s", "q"])  # noqa: E731
        e = lambda: self.expression(1)  # noqa: E731
        if depth <= 0 or r.random() < 0.25:
            return r.choice([f"{{{{ {name()} }}}}", f"{{{{ {e()} }}}}", f"{{% set {name()} = {e()} %}}\n", "text ", "\n  "])
        body = lambda: "".join(self.statement(depth - 1) for _ in range(r.randrange(1, 4)))  # noqa: E731
        kind = r.randrange(9)
        if kind in (0, 1):
            return f"{{% for {name()} in {r.choice(['l', 'ls', 'el', 'd', 'll', 'range(2)', e()])}{r.choice(['', '', ' if ' + e()])} %}}{body()}{r.choice(['', '{{ loop.index }}{{ loop.last }}', '{% break %}', '{% continue %}', '{% else %}' + body()])}{{% endfor %}}"
        if kind == 2:
            return f"{{% if {e()} %}}{body()}{r.choice(['', '{% else %}' + body(), '{% elif ' + e() + ' %}' + body()])}{{%- endif %}}"
        if kind == 3:
            return f"{{% macro m({name()}={e()}) %}}{body()}{{% endmacro %}}{{{{ m() }}}}{{{{ m({e()}) }}}}"
        if kind == 4:
            return f"{{% set {name()} %}}{body()}{{% endset %}}"
        if kind == 5:
            return f"{{% with {name()} = {e()} %}}{body()}{{% endwith %}}"
        if kind == 6:
            return f"{{% filter {r.choice(['upper', 'trim', 'indent(2)'])} %}}{body()}{{% endfilter %}}"
        if kind == 7:
            return f"{{% macro c() %}}[{{{{ caller() }}}}]{{% endmacro %}}{{% call c() %}}{body()}{{% endcall %}}"
        return f"  {{%- if t %}} {body()} {{% endif -%}}  "


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
    print(f"seed {seed}")
    maker = Maker(random.Random(seed))
    env = hf_jinja.environment()
    cli = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "TZ": "UTC"})
    different = raised = 0
    for number in range(count):
        source = "{{ " + maker.expression(3) + " }}" if number % 3 else maker.statement(3)
        ok, text = hf_jinja.render(env, source, jinja_snippets.CONTEXT)
        if ok and (re.search(r" at 0x|<function|<class|_iterator object|<built-in|missing", text) or len(text) > 100000):
            continue
        raised += not ok
        cli.stdin.write(json.dumps({"template": source, "context": jinja_snippets.CONTEXT}, ensure_ascii=False).encode() + b"\n")
        cli.stdin.flush()
        answer = json.loads(cli.stdout.readline())
        if answer["ok"] != ok or (ok and answer["text"] != text):
            different += 1
            got = answer.get("text", answer.get("error"))
            print(f"DIFF {source!r}\n  jinja2: {'' if ok else 'raises '}{text[:300]!r}\n  hadal:  {'' if answer['ok'] else 'raises '}{got[:300]!r}")
    print(f"{count} templates ({raised} raise), {different} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
