#!/usr/bin/env python3
"""No two folders of src/ define a type of the same name in the same namespace, and no two files of a folder the same name
in their anonymous namespaces.

One binary holds every folder, and a class's implicit members are merged by name across object files: two classes of one
name are undefined behaviour that no linker reports. A test's own types (x_test.cc, test_*.h, *_test_util.h) may repeat, as
each test program holds one folder.

The second rule is for builds from nothing (HADAL_UNITY), which compile files of a folder together: there such names clash, or,
worse, overload one another. Tests are compiled file by file.
"""
import collections
import os
import re
import sys

NAMESPACE = re.compile(r"\s*(?:inline )?namespace\s*([\w:]*)\s*\{")
TYPE = re.compile(r"^(?:template.*>\s*)?(?:class|struct|enum class|enum)\s+(?:\[\[\w+\]\]\s*)?(\w+)(?:\s*final)?\s*(?::[^;]*)?\{")
TEST_FILE = re.compile(r"(_test|_fuzz|_bench)\.cc$|^test_|_test_util\.")


# Compiled file by file in every build: hadal_library(... SEPARATE).
SEPARATE_FOLDERS = {"app", "config", "kernels", "kernels/op", "net"}
# Linked into no library: tests' stand-ins and small programs.
ALONE = re.compile(r"(_test|_test_util|_fuzz|_bench|_tool|_cli)\.cc$|^fake_nvml\.cc$")
CONSTANT = re.compile(r"(?:inline |static )?(?:const|constexpr) [^=({;]*?\b(k[A-Z]\w*)(?:\[[^\]]*\])*\s*[={(]")
ALIAS = re.compile(r"using (\w+) = (.*);")
LOCAL_TYPE = re.compile(r"(?:class|struct|enum class|enum)\s+(\w+)[^;(]*\{")
FUNCTION = re.compile(r"(?!return|else|if|for|while|using|typedef|template|class|struct|enum|constexpr)"
                      r"(?:\[\[\w+\]\] )?(?:inline |static )?[\w:<>,&*\s\[\]]+?[\s&*](\w+)\((.*)")


def local_names_of(path):
    """What the file defines in anonymous namespaces, and what an alias means."""
    stack = []
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for i, line in enumerate(lines):
        opened = NAMESPACE.match(line)
        if opened and "}" not in line:
            stack.append(opened.group(1) or "<anonymous>")
        elif stack and re.match(r"^}\s*// namespace", line):
            stack.pop()
        elif "<anonymous>" not in stack or line.startswith((" ", "}", "#", "//")):
            continue
        elif found := CONSTANT.match(line) or LOCAL_TYPE.match(line):
            yield found.group(1), ""
        elif found := ALIAS.match(line):
            yield found.group(1), found.group(2)
        elif found := FUNCTION.match(line):
            text = found.group(2)
            while ")" not in text and i + 1 < len(lines):
                i += 1
                text += lines[i]
            if not text.rstrip().endswith(";"):
                yield f"{found.group(1)}()", ""


def local_clashes(root):
    places = collections.defaultdict(dict)
    for folder, _, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        for name in names:
            if name.endswith(".cc") and relative not in SEPARATE_FOLDERS and not ALONE.search(name):
                for local, meaning in local_names_of(os.path.join(folder, name)):
                    places[relative, local][name] = meaning
    # An alias may be repeated: what matters is that it means the same.
    return {key: where for key, where in places.items() if len(where) > 1 and (len(set(where.values())) > 1 or not any(where.values()))}


def types_of(path):
    """Names of the types that the file defines at namespace level, outside anonymous namespaces."""
    stack = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            code = line.split("//")[0]
            opened = NAMESPACE.match(code)
            if opened and "}" not in code:
                stack.append(opened.group(1) or "<anonymous>")
            elif stack and re.match(r"^}\s*// namespace", line):
                stack.pop()
            elif stack and "<anonymous>" not in stack and (found := TYPE.match(code)):
                yield "::".join(stack + [found.group(1)])


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src")
    places = collections.defaultdict(set)
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith((".h", ".cc")) and not TEST_FILE.search(name):
                path = os.path.join(folder, name)
                for full_name in types_of(path):
                    places[full_name].add(os.path.relpath(folder, root))
    clashes = {name: where for name, where in places.items() if len(where) > 1}
    for name, where in sorted(clashes.items()):
        print(f"{name} is defined in {' and in '.join(sorted(where))}: rename one", file=sys.stderr)
    local = local_clashes(root)
    for (folder, name), where in sorted(local.items()):
        print(f"{folder}: {' and '.join(sorted(where))} each have a {name} of their own: rename one, or share it", file=sys.stderr)
    print(f"{len(places)} types, {len(clashes)} names that two folders define, {len(local)} that two files of a folder do")
    return 1 if clashes or local else 0


if __name__ == "__main__":
    sys.exit(main())
