"""hadal deploy render and schema, end to end: the examples as YAML, kustomize and Helm give the same objects."""
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading

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
    assert done.returncode == 2
    assert "FP8" in done.stderr and done.stdout == ""
    # A wish that needs another field is as wrong as a misspelt one.
    spec.write_text("name: a\nmodel: smollm2-135m\nautoscaling: keda\n")
    done = hadal("render", spec)
    assert done.returncode == 2
    assert "set monitoring: pod-monitor" in done.stderr
    # A place that cannot be written is no fault of the spec's.
    spec.write_text("name: a\nmodel: smollm2-135m\n")
    assert hadal("render", spec, "-o", "/proc/none/out.yaml").returncode == 1


def test_reads_standard_input_and_writes_a_file(tmp_path):
    out = tmp_path / "not/there/yet/out.yaml"
    done = hadal("render", "-", "-o", out, input="name: a\nmodel: smollm2-135m\n")
    assert done.returncode == 0, done.stderr
    assert {key[1] for key in objects(out.read_text())} >= {"Deployment", "Service", "PersistentVolumeClaim", "Job"}


class FakeEngine:
    """A server of an engine's own paths on a free port: /health is 200, /metrics counts down the running requests."""

    def __init__(self, running=0):
        self.running, self.asked = running, 0
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b""
                if self.path == "/metrics":
                    engine.asked += 1
                    body = (
                        "# TYPE vllm:num_requests_running gauge\n"
                        f'vllm:num_requests_running{{engine="0",model_name="q"}} {float(engine.running)}\n'
                        'vllm:num_requests_waiting{engine="0",model_name="q"} 0.0\n'
                    ).encode()
                    engine.running = max(0, engine.running - 1)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def engine_container(spec, kind):
    done = hadal("render", "-", input=spec + "timing: {endpointSeconds: 1, longestRequestSeconds: 40}\n")
    assert done.returncode == 0, done.stderr
    found = next(value for key, value in objects(done.stdout).items() if key[1] == kind)["spec"]
    pod = found["leaderWorkerTemplate"]["leaderTemplate"] if "leaderWorkerTemplate" in found else found["template"]
    return pod["spec"]["containers"][0]


def run_hook(hook, **env):
    return subprocess.run(hook["exec"]["command"], env={**os.environ, **env}, capture_output=True, text=True, timeout=60)


def test_vllm_waits_for_its_requests_before_it_stops():
    engine = FakeEngine(running=2)
    spec = f"name: q\nmodel: r1-distill-qwen-7b\ngpus: 1xL40S\nengine: {{name: vllm, port: {engine.port}}}\n"
    done = run_hook(engine_container(spec, "Deployment")["lifecycle"]["preStop"])
    engine.close()
    assert done.returncode == 0, done.stderr
    assert engine.asked == 4  # 2, 1, and two times none


@pytest.mark.parametrize("engine_name", ["sglang", "vllm"])
def test_worker_leaves_after_its_leader(engine_name):
    leader = FakeEngine()
    spec = f"name: r1\nmodel: deepseek-r1\ngpus: 16xH200\nengine: {{name: {engine_name}, port: {leader.port}}}\n"
    hook = engine_container(spec, "LeaderWorkerSet")["lifecycle"]["preStop"]
    env = {**os.environ, "LWS_LEADER_ADDRESS": "127.0.0.1", "LWS_WORKER_INDEX": "1", "NODE_RANK": "1"}
    command = [word.replace("os.kill(1,3)", "pass") for word in hook["exec"]["command"]]  # not this machine's init
    assert (command != hook["exec"]["command"]) == (engine_name == "sglang")
    worker = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=3)
    leader.close()
    assert worker.wait(timeout=60) == 0, worker.stderr.read()


def test_probe_of_a_group_knows_its_rank():
    engine = FakeEngine()
    spec = f"name: r1\nmodel: deepseek-r1\ngpus: 16xH200\nengine: {{name: sglang, port: {engine.port}}}\n"
    probe = engine_container(spec, "LeaderWorkerSet")["livenessProbe"]
    with socket.socket() as closed:  # bound and not listening: nobody else takes the rendezvous' port meanwhile
        try:
            closed.bind(("127.0.0.1", 20000))
        except OSError:
            pytest.skip("port 20000 is in use")
        address = {"LWS_LEADER_ADDRESS": "127.0.0.1"}
        assert run_hook(probe, LWS_WORKER_INDEX="0", **address).returncode == 0
        assert run_hook(probe, LWS_WORKER_INDEX="1", **address).returncode != 0
        closed.listen()
        done = run_hook(probe, LWS_WORKER_INDEX="1", **address)
        assert done.returncode == 0, done.stderr
    engine.close()
    assert run_hook(probe, LWS_WORKER_INDEX="0", **address).returncode != 0
