"""Jinja2 set up as Hugging Face transformers (5.x) sets it up for chat templates; `strftime_now` has a fixed time.

Facts mirrored from transformers' chat_template_utils: ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, the loop
controls extension, a `generation` tag, tojson = json.dumps(ensure_ascii=False), raise_exception, `dict` as a callable
object, and a namespace that refuses names with a leading underscore.
"""

import datetime
import json
import os
import time

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

NOW = 1718000000  # 2024-06-10 06:13:20 UTC

os.environ["TZ"] = "UTC"
time.tzset()


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


class TemplateDict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            Namespace._check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        Namespace._check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def _check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError("underscore")


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(format):
    return datetime.datetime.fromtimestamp(NOW).strftime(format)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    env.globals["dict"] = TemplateDict()
    env.globals["namespace"] = Namespace
    return env


def render(env, source, context):
    """(True, text) or (False, error)."""
    try:
        text = env.from_string(source).render(**context)
        text.encode("utf-8")
        return True, text
    except RecursionError as e:
        return False, f"RecursionError: {e}"
    except Exception as e:  # whatever Python raises is what the template does
        return False, f"{type(e).__name__}: {e}"
