"""hadal plan, the real program: verdicts, exit codes, JSON, the picture, calibration."""
import json
import os
import pathlib
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HADAL = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", ROOT / "build/release")) / "hadal"

pytestmark = pytest.mark.skipif(not HADAL.exists(), reason=f"{HADAL} is not built")


def plan(*arguments, code=0):
    done = subprocess.run([HADAL, "plan", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def plan_json(*arguments, code=0):
    return json.loads(plan(*arguments, "--format", "json", code=code).stdout)


def test_r1_on_sixteen_h20_holds_what_sglang_logs():
    # docs.sglang.ai, "Deploy On Kubernetes": max_total_num_tokens=712400.
    out = plan_json("deepseek-r1", "--gpus", "16xH20-96G", "--tp", "16", "--mem-fraction-static", "0.93")
    best = out["layouts"][0]
    assert best["name"] == "TP16"
    assert best["kv_bytes_per_token_per_rank"] == 70272
    assert abs(best["kv_tokens_per_instance"] / 712400 - 1) < 0.01
    assert abs(best["rank_bytes"]["kv"] / 2**30 - 46.6) < 0.5
    assert sum(part["bytes"] for part in best["rank_memory"][0]["parts"]) == best["rank_bytes"]["capacity"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["deepseek-r1", "--gpus", "4xH100"], "do not fit on 4x H100"),
        (["deepseek-r1", "--gpus", "16xA800"], "A800 has no FP8"),
        (["deepseek-r1", "--gpus", "32xH100", "--tp", "32"], "cannot share"),
        (["deepseek-r1", "--gpus", "16xH200", "--node-cpus", "128", "--cpu-request", "128"], "at most 126"),
        (["llama-3.1-70b", "--gpus", "4xH100", "--concurrency", "64", "--slo", "100ms,5ms"], "over the limit"),
    ],
)
def test_the_impossible_is_refused_with_the_reason(arguments, words):
    text = " ".join(plan(*arguments, code=1).stdout.split())
    assert "NO: " in text
    assert words in text


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "plan needs a model"),
        (["no-such-model", "--gpus", "8xH100"], "no-such-model"),
        (["r1", "--gpus", "8xH1000"], "H1000"),
        (["r1", "--gpus", "8xH100", "--slo", "fast"], "SLO"),
        (["r1", "--gpus", "8xH100", "--nodes", "3"], "do not divide"),
        (["r1", "--gpus", "8xH100", "--format", "xml"], "--format"),
        (["r1", "--gpus", "8xH100", "--kv-cache-dtype", "q3"], "q3"),
        (["r1", "--gpus", "8xH100", "--network", "wifi"], "wifi"),
    ],
)
def test_wrong_usage(arguments, words):
    done = plan(*arguments, code=2)
    assert words in done.stderr
    assert done.stdout == ""


def test_the_report_is_for_a_buyer():
    text = plan("deepseek-r1", "--gpus", "16xH200", "--nodes", "2", "--gpu-hour-price", "2.5").stdout
    for heading in ("YES: ", "THE MODEL", "WHAT A GPU HOLDS", "HOW MUCH IT HOLDS", "HOW FAST", "LAYOUTS", "WHAT THE BEST ONE IS",
                    "WHY THE OTHERS LOST", "START AND RECOVERY", "HOW SURE", "million answer tokens"):
        assert heading in text, heading
    assert max(map(len, text.splitlines())) <= 100


def test_how_many_gpus_are_needed():
    out = plan_json("deepseek-r1", "--concurrency", "16")
    counts = {need["gpu"]: need["count"] for need in out["gpu_needs"]}
    assert counts["H200"] == 8 and counts["H100"] == 16 and counts["A800"] == 0
    assert "8 x H200" in plan("deepseek-r1", "--concurrency", "16").stdout


def test_the_picture(tmp_path):
    path = tmp_path / "plan.svg"
    assert plan("deepseek-r1", "--gpus", "16xH200", "--format", "svg", "-o", path).stdout == ""
    root = ElementTree.parse(path).getroot()
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "node 1" in words and "GPU 15" in words
    assert any(word.startswith("KV cache") for word in words)


def test_calibration(tmp_path):
    result = tmp_path / "result.json"
    rows = [{"isl": 1024, "osl": 1024, "concurrency": c, "tpot_ms": {"p50": t}} for c, t in ((4, 19.4), (16, 30.6), (64, 59.5))]
    result.write_text(json.dumps({"gpu": "H200", "layout": {"tp": 8}, "results": rows}))
    out = plan_json("deepseek-r1", "--gpus", "8xH200", "--calibrate", result, "--concurrency", "64", "--tp", "8")
    calibration = out["calibration"]
    assert calibration["median_error_before"] > 0.3
    assert calibration["median_error_after"] < 0.1
    assert abs(out["layouts"][0]["tpot_ms"] / 59.5 - 1) < 0.1
    assert "median error" in plan("deepseek-r1", "--gpus", "8xH200", "--calibrate", result).stdout
    result.write_text("{}")
    assert "result.json" in plan("r1", "--gpus", "8xH200", "--calibrate", result, code=2).stderr


def test_a_config_of_ones_own(tmp_path):
    config = {"architectures": ["Qwen2ForCausalLM"], "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
              "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for model in (tmp_path, tmp_path / "config.json"):
        out = plan_json(model, "--gpus", "L40S")
        assert out["model"]["parameters"] == 494_032_768  # Qwen2.5-0.5B
    (tmp_path / "config.json").write_text("[1]")
    assert "config.json" in plan(tmp_path, "--gpus", "L40S", code=2).stderr


def test_tables():
    table = plan("--table").stdout
    assert "671B      64  512 GB  768 GB" in table and "1.5B" in table
    assert "median of the errors' sizes" in plan("--records").stdout
    listing = plan("--list").stdout
    assert "deepseek-ai/DeepSeek-R1" in listing and "MI300X" in listing and "rdma-400" in listing
