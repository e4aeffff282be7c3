"""The life of a group of hosts in network namespaces: hosts late, DNS absent, links cut, processes killed. The real
program with random weights of a tiny model; bring-up must be bounded, and the printed cause must name the host.

Needs root and iproute2 (else skipped). The times that it measures are printed.
"""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

import netns

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", str(ROOT / "build/release"))) / "hadal"
WHY_NOT = netns.why_not() if PROGRAM.exists() else f"{PROGRAM} is not built"
pytestmark = pytest.mark.skipif(WHY_NOT != "", reason=WHY_NOT or "-")

TINY = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512,
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "torch_dtype": "float32",
}
SECRET = {"HADAL_GROUP_SECRET": "s3cret"}
PORT = 30000
GROUP_PORT = 20000
# A host is lost after 2.5 s of silence, and processes end within 5 s of the loss.
LOSS_SECONDS = 5.0


@pytest.fixture
def tell(capsys):
    def say(text):
        with capsys.disabled():
            print(f"\n    {text}", end="", flush=True)
    return say


@pytest.fixture
def network(tmp_path):
    made = netns.Network(2, tmp_path)
    yield made
    made.remove()


@pytest.fixture
def hosts(network, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    started = []

    def start(rank, address=None, timeout=30, tag=""):
        node = network.nodes[rank]
        words = [
            str(PROGRAM), "serve", str(tmp_path / "config.json"), "--load-format", "dummy", "--random-seed", "1",
            "--served-model-name", "m", "--host", "0.0.0.0", "--port", str(PORT), "--tp", "2", "--nnodes", "2",
            "--node-rank", str(rank), "--dist-init-addr", f"{address or network.nodes[0].address}:{GROUP_PORT}",
            "--dist-timeout", str(timeout), "--num-threads", "1",
        ]
        started.append(netns.Process(node, words, tmp_path / f"rank{rank}{tag}.log", SECRET))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def ready(*processes, seconds=25):
    for process in processes:
        process.wait_for("info: ready url=", seconds)
    return time.monotonic()


def complete(node, max_tokens):
    """Asks the server on a node; status and answer."""
    body = json.dumps({"model": "m", "prompt": "x", "max_tokens": max_tokens, "ignore_eos": True})
    done = subprocess.run(
        node.command("curl", "-s", "--noproxy", "*", "-m", "60", "-w", "\n%{http_code}", f"http://127.0.0.1:{PORT}/v1/completions",
                     "-H", "Content-Type: application/json", "-d", body),
        capture_output=True, text=True, check=False,
    )
    text, _, status = done.stdout.rpartition("\n")
    return int(status or 0), text


class Request:
    """One that is open while something breaks."""

    def __init__(self, node):
        self.answer = None
        self.thread = threading.Thread(target=self.run, args=(node,))
        self.thread.start()
        time.sleep(0.4)
        assert self.thread.is_alive(), self.answer

    def run(self, node):
        self.answer = complete(node, 8000)

    def result(self):
        self.thread.join()
        return self.answer


def test_worker_late(hosts, tell):
    leader = hosts(0)
    time.sleep(1.5)
    worker = hosts(1)
    ready(leader, worker)
    tell(f"worker 1.5 s late: ready {time.monotonic() - worker.start:.2f} s after it came")


def test_leader_late(hosts, network, tell):
    worker = hosts(1)
    time.sleep(1.5)
    leader = hosts(0)
    ready(leader, worker)
    tell(f"leader 1.5 s late: ready {time.monotonic() - leader.start:.2f} s after it came")
    assert complete(network.nodes[0], 5)[0] == 200


def test_leaders_name_appears_late(hosts, network, tell):
    worker = hosts(1, address="leader.test")
    leader = hosts(0, address="leader.test")
    time.sleep(0.7)
    network.name("leader.test", "nothing")
    time.sleep(0.8)
    assert "ready url" not in leader.log()
    network.name("leader.test", network.nodes[0].address)
    appeared = time.monotonic()
    ready(leader, worker)
    tell(f"DNS 1.5 s late: ready {time.monotonic() - appeared:.2f} s after the name appeared")


@pytest.mark.parametrize("what", ["unknown", "nothing", "silence"])
def test_leaders_name_never_comes(hosts, network, what, tell):
    if what != "unknown":
        network.name("leader.test", what)
    worker = hosts(1, address="leader.test", timeout=2)
    code, end = worker.end(15)
    assert code == 1, worker.log()
    assert "cannot resolve leader.test" in worker.log()
    assert end - worker.start < 8
    reason = worker.log().strip().splitlines()[-1].split("reason=")[-1]
    tell(f"DNS {what}: the worker ends after {end - worker.start:.1f} s: {reason}")


def test_worker_never_comes(hosts, tell):
    leader = hosts(0, timeout=2)
    code, end = leader.end(15)
    assert code == 1 and "node 1 did not join within 2 s" in leader.log(), leader.log()
    assert end - leader.start < 6
    tell(f"no worker, --dist-timeout 2: the leader ends after {end - leader.start:.1f} s and names node 1")


@pytest.mark.parametrize("how", ["refused", "unplugged", "swallowed"])
def test_leader_cannot_be_reached(hosts, network, how, tell):
    if how == "unplugged":
        network.nodes[0].unplug()
    if how == "swallowed":
        network.nodes[0].swallow()
    worker = hosts(1, timeout=2)
    code, end = worker.end(15)
    assert code == 1, worker.log()
    assert f"cannot reach {network.nodes[0].address}:{GROUP_PORT}" in worker.log()
    assert end - worker.start < 8
    tell(f"leader {how}: the worker ends after {end - worker.start:.1f} s and names the address")


@pytest.mark.parametrize("how", ["unplugged", "swallowed"])
def test_link_is_cut_while_serving(hosts, network, how, tell):
    leader, worker = hosts(0), hosts(1)
    ready(leader, worker)
    request = Request(network.nodes[0])
    cut = time.monotonic()
    network.nodes[1].unplug() if how == "unplugged" else network.nodes[1].swallow()
    ends = []
    for process, lost in ((leader, "lost node 1"), (worker, "lost node 0")):
        code, end = process.end(15)
        assert code == 3 and lost in process.log(), process.log()
        ends.append(end - cut)
    assert max(ends) < LOSS_SECONDS + 1
    status, text = request.result()
    assert status == 503 and "lost node 1" in text, text
    tell(f"link {how}: leader ends after {ends[0]:.1f} s, worker after {ends[1]:.1f} s; the open request got 503")


@pytest.mark.parametrize("victim", [0, 1])
def test_rank_is_killed_and_the_group_comes_back(hosts, network, victim, tell):
    processes = [hosts(0), hosts(1)]
    ready(*processes)
    request = Request(network.nodes[0]) if victim == 1 else None
    killed = time.monotonic()
    processes[victim].process.send_signal(signal.SIGKILL)
    other = processes[1 - victim]
    code, end = other.end(15)
    assert code == 3 and f"lost node {victim}" in other.log(), other.log()
    assert end - killed < LOSS_SECONDS
    if request is not None:
        status, text = request.result()
        assert status == 503 and "lost node 1" in text, text
    # What a LeaderWorkerSet does: all pods of the group again.
    again = [hosts(0, tag="b"), hosts(1, tag="b")]
    back = ready(*again)
    assert complete(network.nodes[0], 5)[0] == 200
    tell(f"node {victim} killed: the other ends after {end - killed:.2f} s; ready again {back - killed:.2f} s after the kill")


def test_link_is_cut_while_the_group_assembles(hosts, network, tell):
    """The worker has joined, and the link goes before all have loaded or while they wait: nobody waits for ever."""
    leader = hosts(0, timeout=6)
    worker = hosts(1, timeout=6)
    leader.wait_for("host joined the group", 10)
    network.nodes[1].swallow()
    cut = time.monotonic()
    for process, lost in ((leader, "node 1"), (worker, "node 0")):
        code, end = process.end(25)
        assert code in (1, 3), process.log()
        assert lost in process.log() or network.nodes[0].address in process.log(), process.log()
        assert end - cut < 15
    tell(f"link swallowed at bring-up: both have ended after {end - cut:.1f} s")


# --- hadal preflight ---

SKIP = [word for group in ("gpu", "rdma", "env", "disk", "limits", "system") for word in ("--skip", group)]


def preflight(node, rank, log, *more, nnodes=2, address, secret="s3cret"):
    words = [str(PROGRAM), "preflight", "--nnodes", str(nnodes), "--node-rank", str(rank), "--dist-init-addr",
             f"{address}:{GROUP_PORT}", "--format", "json", "--peer-time", "0.3", *SKIP, *more]
    return netns.Process(node, words, log, {"HADAL_GROUP_SECRET": secret})


def report(process, seconds=30):
    code, _ = process.end(seconds)
    text = process.log()
    return code, json.loads(text[text.index("{\n"):text.rindex("}") + 1])


def check(result, name):
    return next(one for one in result["checks"] if one["name"] == name)


@pytest.fixture
def start_preflight(tmp_path):
    started = []

    def start(node, rank, *more, **named):
        started.append(preflight(node, rank, tmp_path / f"preflight{len(started)}.json", *more, **named))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_preflight_measures_between_hosts(network, start_preflight, tell):
    address = network.nodes[0].address
    ranks = [start_preflight(node, node.index, address=address) for node in network.nodes]
    for process in ranks:
        code, result = report(process)
        assert code == 0, result["reason"]
        assert check(result, "peer-meeting")["verdict"] == "pass"
        pair = result["peers"]["pairs"][0]
        assert pair["a_to_b_bytes_per_second"] > 1e6 and pair["latency_seconds"] > 0
        assert result["peers"]["nodes"][1]["address"] == network.nodes[1].address
        assert check(result, "clock-skew")["facts"]["skew_seconds"] < 0.1
        assert result["environment"]["NCCL_SOCKET_IFNAME"] == "=eth0"
    tell(check(result, "peer-latency")["text"] + "; " + check(result, "peer-bandwidth")["text"])


def test_preflight_finds_the_slow_host(tmp_path, start_preflight, tell):
    network = netns.Network(3, tmp_path)
    try:
        slow = subprocess.run(
            ["tc", "-n", network.nodes[2].name, "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "80mbit", "burst", "64kb",
             "latency", "50ms"], capture_output=True, text=True, check=False)
        if slow.returncode != 0:
            pytest.skip("this kernel cannot shape traffic: " + slow.stderr.strip())
        ranks = [start_preflight(node, node.index, nnodes=3, address=network.nodes[0].address) for node in network.nodes]
        result = report(ranks[1])[1]
        bandwidth = check(result, "peer-bandwidth")
        tell(bandwidth["text"])
        assert len(result["peers"]["pairs"]) == 3
        rates = {(p["a"], p["b"]): p["b_to_a_bytes_per_second"] for p in result["peers"]["pairs"]}
        assert rates[0, 2] < 12e6 and rates[1, 2] < 12e6 < rates[0, 1]
        for process in ranks:
            process.end(20)
    finally:
        network.remove()


def test_preflight_names_the_missing_rank(tmp_path, start_preflight, tell):
    network = netns.Network(3, tmp_path)
    try:
        network.nodes[2].swallow()
        ranks = [start_preflight(node, node.index, "--timeout", "3", nnodes=3, address=network.nodes[0].address)
                 for node in network.nodes]
        for process in ranks[:2]:
            code, result = report(process)
            assert code == 1 and "rank 2 did not come in time" in result["reason"], result["reason"]
        code, result = report(ranks[2])
        assert code == 1 and f"cannot reach rank 0 at {network.nodes[0].address}" in result["reason"], result["reason"]
        tell("rank 2 cut off: " + result["reason"])
    finally:
        network.remove()


def test_preflight_refuses_another_secret(network, start_preflight):
    address = network.nodes[0].address
    leader = start_preflight(network.nodes[0], 0, "--timeout", "3", address=address)
    worker = start_preflight(network.nodes[1], 1, "--timeout", "3", address=address, secret="other")
    code, result = report(worker)
    assert code == 1 and "another group secret" in result["reason"]
    code, result = report(leader)
    assert code == 1
    assert f"rank 1 did not come in time; last refused: rank 1 at {network.nodes[1].address} has another group secret" in result["reason"]


@pytest.mark.parametrize("what, words", [("unknown", "unknown to DNS"), ("nothing", "no address yet"),
                                         ("silence", "no DNS server answers")])
def test_preflight_says_why_a_name_does_not_resolve(network, start_preflight, what, words, tell):
    if what != "unknown":
        network.name("leader.test", what)
    worker = start_preflight(network.nodes[1], 1, "--timeout", "1.5", "--skip", "peers", address="leader.test")
    code, result = report(worker)
    assert code == 1
    assert words in check(result, "leader-name")["text"], result["reason"]


def test_preflight_waits_for_the_name(network, start_preflight, tmp_path):
    reason = tmp_path / "reason"
    worker = start_preflight(network.nodes[1], 1, "--timeout", "15", "--termination-log", str(reason), address="leader.test")
    leader = start_preflight(network.nodes[0], 0, "--timeout", "15", address="leader.test")
    time.sleep(1)
    network.name("leader.test", network.nodes[0].address)
    for process in (worker, leader):
        code, result = report(process)
        assert code == 0, result["reason"]
    assert not reason.exists()


def test_preflight_link_is_cut_while_measuring(network, start_preflight, tell):
    ranks = [start_preflight(node, node.index, "--peer-time", "5", address=network.nodes[0].address) for node in network.nodes]
    time.sleep(1.5)
    network.nodes[1].swallow()
    cut = time.monotonic()
    for process, other in ((ranks[0], "rank 1"), (ranks[1], "rank 0")):
        code, result = report(process, seconds=40)
        assert code == 1 and other in result["reason"], result["reason"]
        assert time.monotonic() - cut < 25
        tell(f"cut while measuring: rank {process.node.index} ends after {time.monotonic() - cut:.1f} s: {result['reason']}")
