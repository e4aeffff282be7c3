"""Objects, and a cluster of our own that `hadal deploy` is run against: for the tests of its commands."""
import json
import os
import pathlib
import subprocess

import pytest

from fake_kube import FakeKube, kubeconfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
HADAL = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", ROOT / "build/release")) / "hadal"
needs_hadal = pytest.mark.skipif(not HADAL.exists(), reason=f"{HADAL} is not built")


def config_map(name="settings", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"a": "1"}}


def deployment(name="web", replicas=2, image="registry/engine:1"):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}}}


def service(name="web"):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}}


def claim(name="data"):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}}


def lws(name="dsr1", replicas=1, size=2):
    pod = {"spec": {"containers": [{"name": "engine", "image": "registry/engine:1"}]}}
    return {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": {"name": name},
            "spec": {"replicas": replicas, "leaderWorkerTemplate": {"size": size, "leaderTemplate": pod, "workerTemplate": pod}}}


def rank_pod(rank, status, name="dsr1", node="", **spec):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"{name}-0" + (f"-{rank}" if rank else ""), "namespace": "llm",
                         "labels": {"leaderworkerset.sigs.k8s.io/name": name, "leaderworkerset.sigs.k8s.io/group-index": "0",
                                    "leaderworkerset.sigs.k8s.io/worker-index": str(rank)}},
            "spec": {"nodeName": node, "containers": [{"name": "engine", "image": "registry/engine:1", **spec}]}, "status": status}


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
         "containerStatuses": [{"name": "engine", "ready": True, "started": True, "restartCount": 0, "state": {"running": {}}}]}


class Cluster:
    """A fake API server, a kubeconfig for it, and hadal run with it."""

    def __init__(self, directory, **options):
        self.directory = directory
        self.kube = FakeKube(**options)
        self.config = kubeconfig(directory / "config", self.kube.url, {"token": "good-token"})

    def command(self, *arguments):
        return [str(HADAL), "deploy", *map(str, arguments)]

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "HADAL_")) and "proxy" not in k.lower()}
        return {**kept, "KUBECONFIG": self.config, **more}

    def run(self, *arguments, code=0, timeout=60, **environment):
        done = subprocess.run(self.command(*arguments), env=self.environment(**environment), capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def write(self, *objects, name="model.json"):
        path = self.directory / name
        path.write_text("\n---\n".join(json.dumps(o) for o in objects))
        return path

    def apply(self, *objects, flags=("--wait=false",), code=0, name="model.json", **more):
        return self.run("apply", self.write(*objects, name=name), *flags, code=code, **more)


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.kube.stop()


@pytest.fixture
def ready_cluster(tmp_path):
    made = Cluster(tmp_path, ready=True)
    yield made
    made.kube.stop()
