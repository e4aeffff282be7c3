#!/usr/bin/env python3
"""Runs `hadal deploy validate` over the manifests of public projects and lists what it says, for a human to judge:
every error in a manifest that works is a false positive.

Usage: tools/validate_public.py --hadal build/release/hadal [--match REGEX] [--severity error] REPO...
REPO is a checkout or a bare git directory (its HEAD is read). Files are validated by directory, as kubectl apply -f
takes them. Prints findings, then how many files and objects were read and the findings by rule.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

SKIP = re.compile(r"(^|/)(charts?|templates?|node_modules|vendor|\.github|testdata|crds?|helm[^/]*)/")
MANIFEST = re.compile(rb"^apiVersion:", re.M)


def files_of(repo):
    """(path, bytes) of the YAML and JSON files."""
    bare = not os.path.isdir(os.path.join(repo, ".git")) and os.path.exists(os.path.join(repo, "HEAD"))
    if not bare:
        for folder, _, names in os.walk(repo):
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith((".yaml", ".yml")):
                    with open(path, "rb") as file:
                        yield os.path.relpath(path, repo), file.read()
        return
    git = ["git", "--git-dir", repo]
    rows = subprocess.run(git + ["ls-tree", "-r", "-z", "HEAD"], check=True, capture_output=True).stdout.decode().split("\0")
    wanted = []
    for row in rows:
        if row:
            head, path = row.split("\t", 1)
            mode, kind, oid = head.split()
            if kind == "blob" and mode != "120000" and path.endswith((".yaml", ".yml")):
                wanted.append((path, oid))
    with subprocess.Popen(git + ["cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        for path, oid in wanted:
            cat.stdin.write(oid.encode() + b"\n")
            cat.stdin.flush()
            head = cat.stdout.readline().split()
            if head[-1] == b"missing":
                continue
            data = cat.stdout.read(int(head[2]))
            cat.stdout.read(1)
            yield path, data
        cat.stdin.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hadal", required=True)
    parser.add_argument("--match", default="")
    parser.add_argument("--severity", default="error")
    parser.add_argument("--all", action="store_true", help="folders of charts, templates and test data too")
    parser.add_argument("repos", nargs="+")
    args = parser.parse_args()
    rules = collections.Counter()
    num_files = num_objects = num_bad_files = 0
    for repo in args.repos:
        with tempfile.TemporaryDirectory() as root:
            folders = collections.defaultdict(list)
            for path, data in files_of(repo):
                if (not args.all and SKIP.search(path)) or (args.match and not re.search(args.match, path)) or not MANIFEST.search(data):
                    continue
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "wb") as file:
                    file.write(data)
                folders[os.path.dirname(path)].append(full)
            for _, paths in sorted(folders.items()):
                out = subprocess.run([args.hadal, "deploy", "validate", "--format", "json", "--severity", args.severity, *sorted(paths)],
                                     capture_output=True, text=True, check=False)
                if out.returncode not in (0, 1):
                    print(f"status {out.returncode}: {out.stderr.strip()}")
                    continue
                report = json.loads(out.stdout)
                num_files += len(paths)
                num_objects += report["objects"]
                num_bad_files += len({f["file"] for f in report["findings"]})
                for f in report["findings"]:
                    rules[f["rule"]] += 1
                    print(f'{os.path.basename(repo.rstrip("/"))}: {os.path.relpath(f["file"], root)}:{f["line"]}: {f["severity"]}: {f["rule"]}: {f["message"]}')
    print(f"{num_files} files, {num_objects} objects, {num_bad_files} files with findings")
    for rule, count in rules.most_common():
        print(f"{count:6} {rule}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
