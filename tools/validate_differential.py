#!/usr/bin/env python3
"""Mutates good manifests and compares the verdict of `hadal deploy validate` with a real API server's strict dry run.

Usage: tools/validate_differential.py --hadal BIN --check DIR/check.py --kubeconfig FILE [--count N] [--seed N] FILE.yaml...
check.py posts documents with dryRun=All and fieldValidation=Strict (--templates: Pod templates inside CRDs too) and
prints JSON. Mutations: an unknown field, a misspelt one, a wrong type, a missing field, a bad word, a bad number.
Prints each disagreement and the share of agreement. Needs PyYAML.
"""
import argparse
import collections
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

import yaml

# Rules about what a server takes and fails later, or what webhooks refuse: no verdict of the API server.
BEYOND = ["hpa/gpu-resource", "hpa/two-scalers", "engine/*", "monitor/*", "promql/*", "service/undefined-target-port", "service/undefined-port",
          "storage/*", "reference/*", "lws/*", "disagg/partition", "pod/undefined-port", "pod/empty-dir-medium", "keda/*", "object/wrong-parent"]
# Maps whose keys are anybody's.
FREE = {"labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests", "data", "stringData", "parameters", "capability", "options",
        "metadata", "selector", "volumeAttributes", "hard", "minResources", "capacity"}


def places(node, path=()):
    """(container, key, path) of every value."""
    if isinstance(node, dict):
        for key in list(node):
            yield node, key, path + (key,)
            yield from places(node[key], path + (key,))
    elif isinstance(node, list):
        for i in range(len(node)):
            yield node, i, path + (i,)
            yield from places(node[i], path + (i,))


def mutate(doc, rng):
    """Returns (what was done) or None where the choice does not fit."""
    kind = rng.choice(["unknown", "misspelt", "type", "missing", "word", "number"])
    spots = [p for p in places(doc) if p[2][0] not in ("apiVersion", "kind") and p[2] != ("metadata",) and p[2][:2] not in (("metadata", "name"), ("metadata", "namespace"))]
    if kind == "unknown":
        maps = [(p[0][p[1]], p[2]) for p in spots if isinstance(p[0][p[1]], dict) and p[2][-1] not in FREE]
        if not maps:
            return None
        target, path = rng.choice(maps)
        target["hadalTypo"] = rng.choice([1, "x", True, {"a": 1}])
        return f"unknown field in {path}"
    if not spots:
        return None
    container, key, path = rng.choice(spots)
    value = container[key]
    if kind == "misspelt" and isinstance(key, str) and len(key) > 3 and (len(path) < 2 or path[-2] not in FREE):
        i = rng.randrange(len(key) - 1)
        wrong = key[:i] + key[i + 1] + key[i] + key[i + 2:]
        if wrong == key or wrong in container:
            return None
        container[wrong] = container.pop(key)
        return f"misspelt {path} as {wrong}"
    if kind == "type":
        other = rng.choice([1, "text", True, [], {}, ["x"], {"x": "y"}, 1.5, None])
        if type(other) is type(value):
            return None
        container[key] = other
        return f"type of {path}: {value!r:.40} -> {other!r}"
    if kind == "missing":
        if isinstance(container, list):
            container.pop(key)
        else:
            del container[key]
        return f"missing {path}"
    if kind == "word" and isinstance(value, str) and value:
        container[key] = rng.choice([value + "x", value.lower(), value.upper(), "", "Not A Word", value[:-1], value + "-" * 70])
        return None if container[key] == value else f"word at {path}: {value!r:.40} -> {container[key]!r:.60}"
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        container[key] = rng.choice([-1, 0, 1, 70000, value + 1, 2**31, 2**40])
        return None if container[key] == value else f"number at {path}: {value} -> {container[key]}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hadal", required=True)
    parser.add_argument("--check", required=True)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--originals", action="store_true", help="the files as they are, once each")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    docs = []
    for path in args.files:
        with open(path, encoding="utf-8") as file:
            docs += [d for d in yaml.safe_load_all(file) if isinstance(d, dict) and "{{" not in str(d.get("metadata"))]
    if args.originals:
        cases = [(d, "as it is") for d in docs]
    else:
        cases = []
        while len(cases) < args.count:
            doc = copy.deepcopy(rng.choice(docs))
            what = mutate(doc, rng)
            if what:
                cases.append((doc, what))
    with tempfile.TemporaryDirectory() as root:
        paths = []
        for i, (doc, _) in enumerate(cases):
            paths.append(os.path.join(root, f"{i:05}.yaml"))
            with open(paths[-1], "w", encoding="utf-8") as file:
                json.dump(doc, file, indent=1)  # JSON is YAML, and its texts stay texts
        disabled = [x for rule in BEYOND for x in ("--disable", rule)]
        ours = collections.defaultdict(list)
        out = subprocess.run([args.hadal, "deploy", "validate", "--format", "json", "--severity", "error", *disabled, *paths], capture_output=True, text=True, check=False)
        if out.returncode not in (0, 1):
            sys.exit(f"hadal: status {out.returncode}: {out.stderr}")
        for f in json.loads(out.stdout)["findings"]:
            ours[f["file"]].append(f'{f["rule"]} {f["path"]}: {f["message"]}')
        theirs = collections.defaultdict(list)
        out = subprocess.run([sys.executable, args.check, "--kubeconfig", args.kubeconfig, "--json", "--templates", "-n", "llm", *paths], capture_output=True, text=True, check=False)
        if out.returncode not in (0, 1):
            sys.exit(f"check.py: status {out.returncode}: {out.stderr}")
        for row in json.loads(out.stdout):
            if not row["ok"]:
                theirs[row["file"]].append(f'{row["object"]} {row["status"]} {row["message"][:300]}')
        agree = 0
        for path, (doc, what) in zip(paths, cases):
            if bool(ours[path]) == bool(theirs[path]):
                agree += 1
                continue
            side = "hadal alone refuses" if ours[path] else "the server alone refuses"
            print(f'{side}: {doc.get("kind")}: {what}')
            for line in (ours[path] or theirs[path])[:3]:
                print("    " + line)
    print(f"{agree} of {len(cases)} verdicts agree ({100.0 * agree / len(cases):.2f}%); refused by the server: {sum(1 for p in paths if theirs[p])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
