"""hadal deploy render and schema, end to end: the examples as YAML, kustomize and Helm give the same objects."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HADAL = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", ROOT / "build/release")) / "hadal"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
KUBECTL = shutil.which("kubectl")
HELM = shutil.which("helm")
yaml = pytest.importorskip("yaml")


def hadal(*arguments, **options):
    if not HADAL.exists():
        pytest.skip(f"{HADAL} is not built")
    return subprocess.run([HADAL, "deploy", *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def objects(text):
    out = {}
    for document in yaml.safe_load_all(text):
        if document:
            meta = document["metadata"]
            key = (document["apiVersion"], document["kind"], meta.get("namespace"), meta["name"])
            assert key not in out
            out[key] = document
    return out


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_as_committed(example):
    done = hadal("render", example)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "examples/rendered" / example.name).read_text()


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_kustomize_gives_the_same_objects(example, tmp_path):
    assert hadal("render", example, "--format", "kustomize", "-o", tmp_path).returncode == 0
    built = subprocess.run([KUBECTL, "kustomize", tmp_path / "overlays/default"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert objects(built.stdout) == objects((ROOT / "examples/rendered" / example.name).read_text())


@pytest.mark.skipif(HELM is None, reason="helm is not installed")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_helm_gives_the_same_objects(example, tmp_path):
    assert hadal("render", example, "--format", "helm", "-o", tmp_path).returncode == 0
    built = subprocess.run([HELM, "template", "x", tmp_path], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert objects(built.stdout) == objects((ROOT / "examples/rendered" / example.name).read_text())


def test_schema_fits_the_examples():
    schema = json.loads(hadal("schema").stdout)
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    validator = jsonschema_rs.validator_for(schema)
    for example in EXAMPLES:
        errors = [error.message for error in validator.iter_errors(yaml.safe_load(example.read_text()))]
        assert not errors, (example, errors)
    assert not validator.is_valid({"name": "x", "modle": "y"})


def test_reference_is_as_committed():
    assert hadal("schema", "--format", "markdown").stdout == (ROOT / "docs/deploy-spec.md").read_text()


def test_errors_have_places_and_codes(tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: r1\nmodel: deepseek-r1\nengin: sglang\n")
    done = hadal("render", spec)
    assert done.returncode == 2
    assert f"{spec}:3:1: there is no field \"engin\": did you mean engine?" in done.stderr
    spec.write_text("name: r1\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xA800\n")
    done = hadal("render", spec)
    assert done.returncode == 1
    assert "FP8" in done.stderr and done.stdout == ""


def test_reads_standard_input_and_writes_a_file(tmp_path):
    out = tmp_path / "not/there/yet/out.yaml"
    done = hadal("render", "-", "-o", out, input="name: a\nmodel: smollm2-135m\n")
    assert done.returncode == 0, done.stderr
    assert {key[1] for key in objects(out.read_text())} >= {"Deployment", "Service", "PersistentVolumeClaim", "Job"}
