#!/usr/bin/env python3
"""Writes src/deploy/validate/kube_schema_table.inc: what hadal knows of Kubernetes' kinds without a cluster.

Reads CustomResourceDefinitions (YAML) and one OpenAPI v2 document of the core kinds (JSON, may be gzipped) and keeps
facts alone: names and types of fields, what is required, enums, bounds, patterns, list types, defaults and CEL rules.
Descriptions are dropped, and equal parts (a Pod's spec inside twenty CRDs) are stored once.

Usage: tools/gen_kube_schema.py --core swagger.json.gz [--source TEXT]... CRD.yaml... > src/deploy/validate/kube_schema_table.inc
Needs PyYAML. The format is described in src/deploy/validate/builtin_schemas.cc, which reads it.
"""
import argparse
import gzip
import json
import sys

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TYPES = {"object": "o", "array": "a", "string": "s", "integer": "i", "number": "n", "boolean": "b"}
NUMBERS = {
    "minimum": "lo", "maximum": "hi", "minLength": "ll", "maxLength": "lh", "minItems": "il", "maxItems": "ih",
    "minProperties": "pl", "maxProperties": "ph", "multipleOf": "mo", "pattern": "re", "default": "d", "enum": "e",
    "format": "f", "x-kubernetes-list-map-keys": "K",
}
SWITCHES = {
    "nullable": "N", "uniqueItems": "u", "exclusiveMinimum": "xl", "exclusiveMaximum": "xh",
    "x-kubernetes-preserve-unknown-fields": "P", "x-kubernetes-embedded-resource": "E",
}
SKIPPED_KINDS = {"DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIGroupList", "APIResourceList", "APIVersions"}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
RAW = {"io.k8s.apimachinery.pkg.runtime.RawExtension", "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"}
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Table:
    def __init__(self):
        self.ids = {}
        self.nodes = []

    def intern(self, node):
        key = json.dumps(node, sort_keys=True, separators=(",", ":"))
        if key not in self.ids:
            self.ids[key] = len(self.nodes)
            self.nodes.append(key)
        return self.ids[key]

    def add(self, schema, definitions=None, stack=()):
        """Returns the id of this schema's node; a definition that holds itself ends in one that takes anything."""
        if "$ref" in schema:
            name = schema["$ref"].split("/")[-1]
            if name == QUANTITY:
                return self.intern({"t": "s", "f": "quantity"})
            if name == INT_OR_STRING:
                return self.intern({"t": "x"})
            if name in RAW or name in stack:
                return self.intern({"P": 1})
            return self.add(definitions[name], definitions, stack + (name,))
        if schema.get("format") == "int-or-string":
            return self.intern({"t": "x"})
        node = {}
        if schema.get("x-kubernetes-int-or-string"):
            node["t"] = "x"
        elif "type" in schema:
            node["t"] = TYPES[schema["type"]]
        for name, short in NUMBERS.items():
            if name in schema:
                node[short] = schema[name]
        for name, short in SWITCHES.items():
            if schema.get(name):
                node[short] = 1
        if schema.get("required"):
            node["r"] = sorted(schema["required"])
        if schema.get("x-kubernetes-list-type") in ("set", "map"):
            node["L"] = schema["x-kubernetes-list-type"][0]
        rules = [self.rule(r) for r in schema.get("x-kubernetes-validations") or []]
        if rules:
            node["v"] = rules
        if schema.get("properties"):
            node["p"] = {n: self.add(s, definitions, stack) for n, s in sorted(schema["properties"].items())}
        if isinstance(schema.get("items"), dict):
            node["i"] = self.add(schema["items"], definitions, stack)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            node["A"] = self.add(extra, definitions, stack)
        elif extra is True:
            node["P"] = 1
        for name, short in (("allOf", "all"), ("anyOf", "any"), ("oneOf", "one")):
            # An int-or-string repeats its two types there.
            if schema.get(name) and not (name == "anyOf" and schema.get("x-kubernetes-int-or-string")):
                node[short] = [self.add(s, definitions, stack) for s in schema[name]]
        if schema.get("not"):
            node["not"] = self.add(schema["not"], definitions, stack)
        return self.intern(node)

    @staticmethod
    def rule(rule):
        out = {"c": " ".join(rule["rule"].split()) if '"""' not in rule["rule"] else rule["rule"].strip()}
        for name, short in (("fieldPath", "p"), ("optionalOldSelf", "o")):  # messages are prose: hadal words its own
            if rule.get(name):
                out[short] = rule[name]
        return out

    def object(self, schema, definitions=None, stack=()):
        """A kind: its status is the controllers' and is not checked; apiVersion, kind and metadata are, elsewhere."""
        schema = dict(schema)
        properties = dict(schema.get("properties") or {})
        for name in ("apiVersion", "kind", "metadata"):
            properties.pop(name, None)
        if "status" in properties:
            properties["status"] = {"x-kubernetes-preserve-unknown-fields": True}
        schema["properties"] = properties
        return self.add(schema, definitions, stack)


def core_kinds(table, document):
    definitions = document["definitions"]
    namespaced = set()
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            gvk = isinstance(operation, dict) and operation.get("x-kubernetes-group-version-kind")
            if gvk and method == "post" and "/namespaces/{namespace}/" in path:
                namespaced.add((gvk["group"], gvk["version"], gvk["kind"]))
    for name, definition in sorted(definitions.items()):
        for gvk in definition.get("x-kubernetes-group-version-kind", []):
            kind = gvk["kind"]
            if kind in SKIPPED_KINDS or (kind.endswith("List") and "items" in definition.get("properties", {})):
                continue
            scope = "n" if (gvk["group"], gvk["version"], kind) in namespaced else "c"
            yield [gvk["group"], gvk["version"], kind, scope + "k", table.object(definition, definitions, (name,))]


def crd_kinds(table, path):
    with open(path, encoding="utf-8") as file:
        for crd in yaml.load_all(file, LOADER):
            if not crd or crd.get("kind") != "CustomResourceDefinition":
                continue
            spec = crd["spec"]
            for version in spec["versions"]:
                scope = ("n" if spec["scope"] == "Namespaced" else "c") + ("d" if version.get("deprecated") else "")
                schema = version["schema"]["openAPIV3Schema"]
                yield [spec["group"], version["name"], spec["names"]["kind"], scope, table.object(schema)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", required=True)
    parser.add_argument("--source", action="append", default=[])
    parser.add_argument("crds", nargs="*")
    args = parser.parse_args()
    with (gzip.open if args.core.endswith(".gz") else open)(args.core, "rb") as file:
        document = json.load(file)
    table = Table()
    kinds = list(core_kinds(table, document))
    meta = table.add(document["definitions"][OBJECT_META], document["definitions"], (OBJECT_META,))
    for path in sorted(args.crds):
        kinds += crd_kinds(table, path)
    print("// Generated by tools/gen_kube_schema.py: facts (names, types, bounds, rules) of these API definitions, each")
    print("// published under the Apache License 2.0:")
    for source in args.source:
        print(f"//   {source}")
    text = '{"metadata":%d,\n"kinds":[\n%s\n],\n"nodes":[\n%s\n]}\n' % (
        meta, ",\n".join(json.dumps(k, separators=(",", ":")) for k in kinds), ",\n".join(table.nodes))
    assert ')~~"' not in text
    lines = text.splitlines(keepends=True)
    chunk = ""
    for line in lines:
        if chunk and len(chunk) + len(line) > 12000:
            print(f'R"~~({chunk})~~"')
            chunk = ""
        chunk += line
    print(f'R"~~({chunk})~~"')
    print(f"{len(kinds)} kinds, {len(table.nodes)} nodes, {len(text)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
