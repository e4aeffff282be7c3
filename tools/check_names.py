#!/usr/bin/env python3
"""No two folders of src/ define a type of the same name in the same namespace.

One binary holds every folder, and a class's implicit members are merged by name across object files: two classes of one
name are undefined behaviour that no linker reports. A test's own types (x_test.cc, test_*.h, *_test_util.h) may repeat, as
each test program holds one folder.
"""
import collections
import os
import re
import sys

NAMESPACE = re.compile(r"\s*(?:inline )?namespace\s*([\w:]*)\s*\{")
TYPE = re.compile(r"^(?:template.*>\s*)?(?:class|struct|enum class|enum)\s+(?:\[\[\w+\]\]\s*)?(\w+)(?:\s*final)?\s*(?::[^;]*)?\{")
TEST_FILE = re.compile(r"(_test|_fuzz|_bench)\.cc$|^test_|_test_util\.")


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
    print(f"{len(places)} types, {len(clashes)} names that two folders define")
    return 1 if clashes else 0


if __name__ == "__main__":
    sys.exit(main())
