"""hadal deploy validate and hadal deploy rules, as a user runs them."""
import json
import os
import pathlib
import subprocess

from fake_kube import FakeKube, kubeconfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", ROOT / "build" / "release"))
CORPUS = ROOT / "src/deploy/validate/testdata/seed_errors"
GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"
BAD = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n    protcol: TCP\n"


def run(*arguments, text=None):
    return subprocess.run([BUILD / "hadal", "deploy", *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)


def test_exit_codes(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD)
    bad.write_text(BAD)
    assert run("validate", good).returncode == 0
    marked = tmp_path / "marked.yaml"
    marked.write_text(GOOD, encoding="utf-8-sig")
    assert run("validate", marked).returncode == 0, "a byte order mark is no error"
    out = run("validate", bad)
    assert out.returncode == 1
    assert f"{bad}:7:5: error: " in out.stdout and "[schema/unknown-field]" in out.stdout
    assert run("validate").returncode == 2
    assert run("validate", tmp_path / "nothing.yaml").returncode == 2
    assert run("validate", bad, "--disable", "no/such-rule").returncode == 2
    assert run("validate", bad, "--disable", "schema/*").returncode == 0
    assert run("validate", bad, "--disable", "foo/*").returncode == 2, "there is no such family"
    assert run("validate", bad, "--disable", "schem*").returncode == 2
    for flag in ("--kubernetes-version", "--lws-version", "--kserve-version", "--volcano-version"):
        assert run("validate", good, flag, "abc").returncode == 2, flag
        assert run("validate", good, flag, "v1.33").returncode == 0, flag
    nothing = run("validate", "-", text="")
    assert nothing.returncode == 2 and "held no object" in nothing.stderr, "a pipe whose writer failed is not green"
    assert run("validate", "-", text=BAD).returncode == 1


def test_fix_writes_the_file_and_keeps_comments(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(BAD + "    # a comment\n")
    assert run("validate", bad, "--fix").returncode == 0
    assert bad.read_text() == BAD.replace("protcol", "protocol") + "    # a comment\n"


def test_a_fix_that_does_not_hold_is_not_done(tmp_path):
    route = tmp_path / "route.yaml"
    text = ("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n  parentRefs: [{name: g}]\n"
            "  rules:\n  - timeouts: {request: 60}\n    backendRefs: [{name: s, port: 80}]\n")
    route.write_text(text)
    out = run("validate", route, "--fix")
    assert out.returncode == 1 and route.read_text() == text
    assert "60s" in out.stdout and "--fix does it" not in out.stdout


def test_tabs(tmp_path):
    sure, open_ = tmp_path / "sure.yaml", tmp_path / "open.yaml"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: r/x:1\n"
    sure.write_text(pod + "\tports: []\n    env: []\n")
    open_.write_text(pod + "\tsecurityContext: {}\n  hostNetwork: false\n")
    out = run("validate", tmp_path, "--fix")
    assert sure.read_text() == pod + "    ports: []\n    env: []\n"
    assert open_.read_text() == pod + "\tsecurityContext: {}\n  hostNetwork: false\n"
    assert out.returncode == 1 and out.stdout.count(": error: ") == 1 and f"{open_}:8:1: error: a tab" in out.stdout


def test_templates_are_not_checked(tmp_path):
    template = tmp_path / "deployment.yaml"
    template.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n")
    out = run("validate", template)
    assert out.returncode == 0 and "not checked" in out.stdout.splitlines()[-1] and "helm template" in out.stdout
    assert run("validate", template, "--fail-on-unchecked").returncode == 1
    assert json.loads(run("validate", template, "--format", "json").stdout)["unchecked_files"] == 1
    junk = tmp_path / "junk.yaml"
    junk.write_bytes(bytes(range(256)) + b"{{" + bytes(range(256)))
    assert run("validate", junk).returncode == 1


def test_json_and_sarif():
    report = json.loads(run("validate", CORPUS, "--format", "json").stdout)
    assert report["errors"] > 20 and report["objects"] > 40
    assert {"rule", "file", "line", "column", "message", "why", "fix"} <= set(report["findings"][0])
    sarif = json.loads(run("validate", CORPUS, "--format", "sarif").stdout)
    assert sarif["version"] == "2.1.0"
    driver = sarif["runs"][0]["tool"]["driver"]
    for result in sarif["runs"][0]["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        region = result["locations"][0]["physicalLocation"]["region"]
        assert region["startLine"] >= 1 and region["startColumn"] >= 1


def test_examples_have_no_errors():
    out = run("validate", ROOT / "examples", "--severity", "error")
    assert out.returncode == 0, out.stdout


def crd(kind="Model", **fields):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": fields}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{kind.lower()}s.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": kind, "plural": f"{kind.lower()}s"},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}}


def rules_of(out):
    return {f["rule"] for f in json.loads(out.stdout)["findings"]}


def test_schemas_from_cluster(tmp_path):
    server = FakeKube()
    try:
        server.put(crd(size={"type": "integer", "minimum": 1}))
        # Custom kinds stand in the OpenAPI document too, without their bounds: the definition is what counts.
        gvk = [{"group": "example.com", "kind": "Model", "version": "v1"}]
        server.definitions["com.example.v1.Model"] = {"type": "object", "properties": {"spec": {"type": "object"}}, "x-kubernetes-group-version-kind": gvk}
        # A kind of the server's own that nothing else tells of.
        server.definitions["io.k8s.api.new.v1.Thing"] = {
            "type": "object", "properties": {"metadata": {}, "spec": {"type": "object", "properties": {"count": {"type": "integer"}}}},
            "x-kubernetes-group-version-kind": [{"group": "new.k8s.io", "kind": "Thing", "version": "v1"}]}
        config = tmp_path / "kubeconfig"
        kubeconfig(config, server.url, {"token": "good-token"})
        files = tmp_path / "objects.yaml"
        files.write_text("apiVersion: example.com/v1\nkind: Model\nmetadata: {name: a}\nspec: {size: 0, sise: 1}\n---\n"
                         "apiVersion: new.k8s.io/v1\nkind: Thing\nmetadata: {name: a}\nspec: {count: x}\n---\n"
                         "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {minAvailable: 1}\n")
        alone = run("validate", files, "--format", "json")
        assert "schema/unknown-kind" in rules_of(alone) and "schema/range" not in rules_of(alone)
        asked = run("validate", files, "--format", "json", "--schemas-from-cluster", "--kubeconfig", config)
        assert asked.returncode == 1
        assert {"schema/range", "schema/unknown-field", "schema/type", "object/removed-api"} <= rules_of(asked)
        assert "schema/unknown-kind" not in rules_of(asked)
        assert {method for method, _ in server.requests} == {"GET"}
        # Files are the last word.
        own = tmp_path / "schemas"
        own.mkdir()
        (own / "model.json").write_text(json.dumps(crd(size={"type": "integer"}, sise={"type": "integer"})))
        both = run("validate", files, "--format", "json", "--schemas-from-cluster", "--kubeconfig", config, "--schemas", own)
        assert not {"schema/range", "schema/unknown-field"} & rules_of(both)
        server.tokens.clear()
        server.tokens.add("another")
        refused = run("validate", files, "--schemas-from-cluster", "--kubeconfig", config)
        assert refused.returncode == 2 and "credentials" in refused.stderr
    finally:
        server.stop()
    assert run("validate", files, "--schemas-from-cluster", "--kubeconfig", tmp_path / "nothing").returncode == 2


def test_rules():
    rows = json.loads(run("rules", "--format", "json").stdout)
    assert len(rows) > 100 and all(row["what"] and row["why"] and row["fix"] for row in rows)
    assert run("rules", "--format", "markdown").stdout == (ROOT / "docs/validate-rules.md").read_text()
