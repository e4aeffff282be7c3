#!/usr/bin/env python3
"""Enforces the include direction of src/ (docs/map.md): a folder may include only the folders listed for it.

Usage: tools/check_deps.py [SOURCE_DIR]. Prints each forbidden include as file:line and exits 1 if there is any.
"""
import pathlib
import re
import sys

# What each folder may include directly; indirect ones follow.
DIRECT = {
    "base": [],
    "net": ["base"],
    "config": ["base"],
    "step": ["base"],
    "device": ["config"],
    "kernels": ["device"],
    "comm": ["kernels"],
    "weights": ["device"],
    "layers": ["comm", "weights"],
    "models": ["layers"],
    "runtime": ["models", "step"],
    "kv": ["base", "config"],
    "sched": ["kv", "step"],
    "text": ["base"],
    "group": ["net", "config", "step"],
    "engine": ["runtime", "sched", "text", "group"],
    "server": ["engine", "net"],
    "hub": ["net", "config", "text"],
    "plan": ["net", "config", "text"],
    "deploy": ["plan", "hub"],
    "preflight": ["hub"],
    "chat": ["server"],
    "app": ["chat", "hub", "plan", "deploy", "preflight"],
    "main": ["app"],
}
# Never visible, even indirectly.
FORBIDDEN = {
    "server": ["kernels", "layers", "models", "runtime", "sched", "kv", "device", "weights"],
    "chat": ["kernels", "layers", "models", "sched", "kv"],
    "models": ["step", "sched"],
    "group": ["device"],
}
# Boost is heavy to compile: only net/ includes it.
ONLY_IN = {re.compile(r"boost/"): "net"}


def closure():
    allowed = {}

    def visit(folder):
        if folder not in allowed:
            allowed[folder] = {folder}
            for dep in DIRECT[folder]:
                allowed[folder] |= visit(dep)
        return allowed[folder]

    for folder in DIRECT:
        visit(folder)
    for folder, banned in FORBIDDEN.items():
        allowed[folder] -= set(banned)
    return allowed


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "src")
    allowed = closure()
    problems = []
    checked = 0
    for path in sorted(root.rglob("*")):
        if path.suffix not in (".h", ".cc", ".cu", ".cuh"):
            continue
        parts = path.relative_to(root).parts
        folder = parts[0] if len(parts) > 1 else "main"
        checked += 1
        if folder not in allowed:
            problems.append(f"{path}:1: folder {folder} is not in tools/check_deps.py; add it with what it may include")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
            if not match:
                continue
            target = match.group(1)
            for pattern, owner in ONLY_IN.items():
                if pattern.match(target) and folder != owner:
                    problems.append(f"{path}:{number}: only {owner}/ may include {target}")
            first = target.split("/")[0]
            if first in DIRECT and "/" in target and first not in allowed[folder]:
                problems.append(f"{path}:{number}: {folder} must not include {target}")
    for problem in problems:
        print(problem)
    print(f"{checked} files checked, {len(problems)} forbidden includes")
    return 1 if problems or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
