"""hadal deploy validate and hadal deploy rules, as a user runs them."""
import json
import os
import pathlib
import subprocess

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
    out = run("validate", bad)
    assert out.returncode == 1
    assert f"{bad}:7:5: error: " in out.stdout and "[schema/unknown-field]" in out.stdout
    assert run("validate").returncode == 2
    assert run("validate", tmp_path / "nothing.yaml").returncode == 2
    assert run("validate", bad, "--disable", "no/such-rule").returncode == 2
    assert run("validate", bad, "--disable", "schema/*").returncode == 0
    assert run("validate", "-", text=BAD).returncode == 1


def test_fix_writes_the_file_and_keeps_comments(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(BAD + "    # a comment\n")
    assert run("validate", bad, "--fix").returncode == 0
    assert bad.read_text() == BAD.replace("protcol", "protocol") + "    # a comment\n"


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


def test_rules():
    rows = json.loads(run("rules", "--format", "json").stdout)
    assert len(rows) > 100 and all(row["what"] and row["why"] and row["fix"] for row in rows)
    assert run("rules", "--format", "markdown").stdout == (ROOT / "docs/validate-rules.md").read_text()
