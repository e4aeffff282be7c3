"""hadal preflight as a program: exit codes, formats, files, and what it says of this machine."""
import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", str(ROOT / "build/release"))) / "hadal"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")
FAST = ("--disk-time", "0.1", "--timeout", "1")


def preflight(*flags, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NCCL_", "LWS_", "KUBERNETES_", "HADAL_"))}
    return subprocess.run(
        [str(PROGRAM), "preflight", *flags], capture_output=True, text=True, timeout=120, env={**clean, **(env or {})}, check=False
    )


def checks(done):
    return {one["name"]: one for one in json.loads(done.stdout)["checks"]}


def test_text_is_one_line_a_check():
    done = preflight(*FAST)
    lines = done.stdout.splitlines()
    listed = json.loads(preflight("--list", "--format", "json").stdout)
    assert [re.split(r"\s{2,}", line)[1].split()[0] for line in lines[:-1]] == [one["name"] for one in listed]
    assert lines[-1].startswith("preflight passed" if done.returncode == 0 else "preflight FAILED")


def test_list_describes_every_check():
    done = preflight("--list")
    assert done.returncode == 0
    assert done.stdout.count("    what: ") == done.stdout.count("    why:  ") == done.stdout.count("    fix:  ") > 40
    document = (ROOT / "docs/preflight.md").read_text()
    for one in json.loads(preflight("--list", "--format", "json").stdout):
        assert f"`{one['name']}`" in document, f"docs/preflight.md lacks {one['name']}"


def test_a_failure_is_told_everywhere(tmp_path):
    output, reason = tmp_path / "result.json", tmp_path / "reason"
    done = preflight(*FAST, "--model", "/absent/model", "--format", "json", "--output", str(output), "--termination-log", str(reason))
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert json.loads(output.read_text()) == result
    assert checks(done)["model-files"]["verdict"] == "fail"
    assert reason.read_text().startswith("preflight failed: ") and reason.read_text().count("\n") == 1
    assert result["reason"] + "\n" == reason.read_text()


def test_required_checks_must_have_been_made():
    named = ("--skip", "limits", "--skip", "system", "--skip", "network")
    assert preflight(*FAST, *named, "--require", "model-marker").returncode == 1
    assert preflight(*FAST, *named).returncode == 0


def test_wrong_usage():
    for flags in (("--require", "gpu-cuont"), ("--format", "xml"), ("--nnodes", "2"), ("--no-such-flag",)):
        done = preflight(*flags)
        assert done.returncode == 2 and done.stderr.startswith("hadal: "), flags
    assert "did you mean gpu-count" in preflight("--require", "gpu-cuont").stderr
    assert "did you mean gpu?" in preflight("--require", "gpus").stderr


def test_environment_is_a_shell_script_that_holds():
    printed = preflight("--print-env").stdout
    for line in printed.splitlines():
        assert re.match(r"# |export [A-Z_]+='[^']*'$", line), line
    env = dict(re.findall(r"export ([A-Z_]+)='([^']*)'", printed))
    again = preflight(*FAST, "--format", "json", env=env)
    for name in ("env-hca", "env-gid", "env-interface", "env-obsolete"):
        assert checks(again)[name]["verdict"] in ("pass", "info"), checks(again)[name]


def test_a_wrong_environment_is_found():
    done = preflight(*FAST, "--format", "json", env={"GLOO_SOCKET_IFNAME": "nosuch0", "NCCL_IB_CUDA_SUPPORT": "1"})
    assert done.returncode == 1
    assert checks(done)["env-interface"]["verdict"] == "fail"
    assert checks(done)["env-obsolete"]["verdict"] == "warning"


def test_model_volume_is_measured(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(os.urandom(8 << 20))
    os.sync()
    done = preflight("--model", str(tmp_path), "--disk-time", "0.5", "--format", "json", "--skip", "limits")
    disk = checks(done)["model-disk"]
    assert disk["verdict"] in ("info", "not_checked"), disk
    if "facts" in disk:
        assert disk["facts"]["bytes_per_second"] > 0
    assert checks(done)["model-files"]["facts"]["bytes"] == 8 << 20
