"""hadal deploy apply, diff, status, logs, doctor, delete and rollback, end to end against an API server of our own.

HADAL_BUILD_DIR names the build; the default is build/release.
"""
import concurrent.futures
import json
import pathlib
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest

from fake_kube import kubeconfig
from kube_tools import (READY, ROOT, Cluster, claim, cluster, config_map, deployment, lws, needs_hadal, rank_pod,  # noqa: F401
                        ready_cluster, service)

pytestmark = needs_hadal


# --- apply


def test_create_change_prune(ready_cluster):
    c = ready_cluster
    text = c.apply(service(), deployment(), config_map(), claim(), flags=())
    assert "model is at revision 1: 4 objects, 4 changed" in text
    created = [line.split()[0] for line in text.splitlines() if line.endswith("created")]
    assert sorted(created[:3]) == ["ConfigMap", "PersistentVolumeClaim", "Service"] and created[3:] == ["Deployment"], "waves"
    text = c.apply(service(), deployment(), config_map(), claim(), flags=())
    assert "revision 1: 4 objects, 0 changed" in text
    text = c.apply(deployment(replicas=3), config_map(a="2", b="3"), flags=())
    assert "Service llm/web pruned" in text and "PersistentVolumeClaim llm/data is not in this revision and stays" in text
    assert c.kube.get("Service", "web") is None and c.kube.get("PersistentVolumeClaim", "data")
    assert c.kube.get("Deployment", "web")["spec"]["replicas"] == 3
    c.apply(deployment(), flags=("--prune=false",))
    assert c.kube.get("ConfigMap", "settings"), "kept by --prune=false"
    c.apply(deployment(), flags=("--prune-storage",))
    assert c.kube.get("ConfigMap", "settings") is None and c.kube.get("PersistentVolumeClaim", "data") is None
    managers = {f["manager"] for f in c.kube.get("Deployment", "web")["metadata"]["managedFields"]}
    assert managers == {"hadal"}


def test_workloads_come_before_what_may_need_them(cluster):
    """A Job of others may need the workload, a workload the Service: neither is waited for before all of them are there."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "smoke"},
           "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "i"}]}}}}
    text = cluster.apply(job, deployment(), service(), flags=("--timeout=3s",), code=1)
    assert "not ready within" in text and cluster.kube.get("Deployment", "web") and cluster.kube.get("Service", "web")
    job["metadata"] |= {"name": "fetch", "labels": {"hadal.dev/deployment": "web"}}
    text = cluster.apply(job, deployment() | {"metadata": {"name": "late"}}, flags=("--timeout=3s", "--name=other"), code=1)
    assert "the download is not ready" in text and cluster.kube.get("Deployment", "late") is None, "a download comes first"


def test_one_ctrl_c_ends_a_read_of_standard_input(cluster):
    """Nobody writes to it: the command is not to wait for a second signal."""
    for command in (["apply", "-"], ["diff", "-"]):
        process = subprocess.Popen(cluster.command(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        assert process.poll() is None, "it waits for standard input"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == -signal.SIGINT
        process.communicate()


def test_an_object_that_is_given_twice(cluster, tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(json.dumps(config_map(a="1")))
    two.write_text(json.dumps(config_map(a="1")))
    assert "1 object, 1 changed" in cluster.run("apply", one, two, "--name=model")
    changed = config_map(a="2")
    changed["metadata"]["namespace"] = "llm"
    two.write_text(json.dumps(changed))
    text = cluster.run("apply", one, two, "--name=model", code=1)
    assert f"{two}:1: ConfigMap llm/settings: it is given twice, with other contents at {one}:1: keep one" in text
    assert cluster.kube.get("ConfigMap", "settings")["data"] == {"a": "1"}, "nothing was applied"


def test_removed_field_goes(cluster):
    cluster.apply(config_map(a="1", b="2"))
    cluster.apply(config_map(a="1"))
    assert cluster.kube.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_conflict_names_field_and_manager(cluster):
    c = cluster
    c.apply(config_map(a="1"))
    c.kube.take_field("ConfigMap", "settings", ("data", "a"), "theirs", "bob")
    text = c.apply(config_map(a="2"), deployment(), code=1)
    assert ".data.a was set by bob" in text and "--force-conflicts" in text and "0 of 2 objects are applied" in text
    assert c.kube.get("Deployment", "web") is None, "later waves wait"
    assert c.kube.get("ConfigMap", "settings")["data"]["a"] == "theirs"
    c.apply(config_map(a="2"), deployment(), flags=("--wait=false", "--force-conflicts"))
    assert c.kube.get("ConfigMap", "settings")["data"]["a"] == "2"


def test_autoscaler_keeps_its_replicas(cluster):
    c = cluster
    hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
           "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 9}}
    c.apply(deployment(replicas=2), hpa)
    c.kube.take_field("Deployment", "web", ("spec", "replicas"), 7, "kube-controller-manager")
    text = c.apply(deployment(replicas=2, image="registry/engine:2"), hpa)
    assert "replicas are left to the autoscaler" in text
    assert c.kube.get("Deployment", "web")["spec"]["replicas"] == 7
    assert c.kube.get("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/engine:2"


def test_object_of_another_deployment_is_refused(cluster):
    cluster.apply(config_map(), name="one.json")
    text = cluster.apply(config_map(), name="two.json", code=1)
    assert "belongs to deployment llm/one" in text


def test_dry_run_agrees_with_apply_where_there_is_no_namespace(cluster):
    c = cluster
    for flags in (("--dry-run=server",), ()):
        assert "there is no namespace other" in c.apply(config_map(), flags=("-n", "other", *flags), code=1)
    text = c.apply(config_map(), deployment(), flags=("-n", "other", "--create-namespace", "--dry-run=server"))
    assert "ConfigMap other/settings would be created (dry run; its namespace is not there yet: checked by its schema)" in text
    assert "3 objects: 1 checked, 2 by their schema alone" in text and c.kube.get("Namespace", "other", "") is None
    bad = deployment()
    bad["spec"]["unknownField"] = 1
    flags = ("-n", "other", "--create-namespace", "--dry-run=server", "--skip-validation")
    c.apply(bad, flags=flags)  # as apply would let it pass
    c.kube.fault("status", method="POST", path="deployments", code=422, message="spec.template is wrong")
    text = c.apply(deployment(), flags=flags[:-1], code=1)
    assert "Deployment other/web REFUSED: spec.template is wrong" in text and "1 refused" in text
    c.kube.forbidden = [("POST", "/namespaces/default/")]
    text = c.apply(config_map(), flags=flags, code=3)
    assert "NOT CHECKED" in text and "1 checked, 1 not checked, 0 refused" in text
    elsewhere = config_map()
    elsewhere["metadata"]["namespace"] = "absent"
    for flags in (("--dry-run=server",), ("--wait=false",)):
        text = c.apply(elsewhere, flags=flags, code=1)
        assert "there is no namespace absent, where ConfigMap absent/settings goes: make it with --create-namespace" in text


def test_a_namespace_is_made_and_said_once(cluster):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dep"}}
    text = cluster.apply(space, config_map(), flags=("-n", "dep"))
    assert text.count("Namespace dep") == 2 and "Namespace dep created" in text and "Namespace dep: active" in text
    assert "2 objects, 2 changed" in text


def test_history(cluster):
    c = cluster
    c.apply(config_map(a="1"))
    c.apply(config_map(a="2"), service())
    lines = c.run("history", "model").splitlines()
    assert lines[0].split() == ["REVISION", "TIME", "SOURCE", "OBJECTS", "STATE"]
    assert lines[1].split()[0] == "2" and lines[1].endswith("model.json  2        current") and lines[2].split()[0] == "1"
    assert [r["current"] for r in json.loads(c.run("history", "model", "--format", "json"))] == [False, True]
    c.run("rollback", "model", "--wait=false")
    assert "rollback to revision 1" in c.run("history", "model").splitlines()[1]
    assert "has applied nothing under the name nothing" in c.run("history", "nothing", code=1)


def lose_connection(directory, action, skip):
    """The server goes away at the nth write and stays away; the same command again ends as if nothing had been."""
    directory.mkdir()
    c = Cluster(directory, ready=True)
    c.apply(config_map(name="old"))
    c.kube.faults = [dict(action=action, method="", path="fieldManager|preconditions|log$", times=10**6, skip=skip)]
    path = c.write(config_map(), deployment(), service())
    process = start(c, "apply", path)
    output = process.communicate(timeout=60)[0]
    if process.returncode != 0:
        assert process.returncode == 1 and "cannot reach the cluster" in output, output
        assert "run the same command again" in output or skip == 0, output
    c.kube.faults = []
    text = c.run("apply", path)
    assert "model is at revision 2: 3 objects" in text
    assert c.kube.get("ConfigMap", "old") is None
    for kind, name in (("ConfigMap", "settings"), ("Deployment", "web"), ("Service", "web")):
        assert c.kube.get(kind, name)
    inventory = json.loads(c.kube.get("ConfigMap", "hadal-model")["data"]["inventory.json"])
    assert not inventory["inProgress"] and len(inventory["objects"]) == 3 and inventory["left"] == []
    c.kube.stop()
    return process.returncode


def test_lost_connection_anywhere_then_resumed(tmp_path):
    cases = [(action, skip) for action in ("drop_before", "drop_after") for skip in range(10)]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        codes = list(pool.map(lambda case: lose_connection(tmp_path / f"{case[0]}-{case[1]}", *case), cases))
    assert codes.count(1) >= 14, "most of the writes were hit"


def test_busy_server_is_asked_again(cluster):
    c = cluster
    c.kube.fault("status", method="PATCH", path="configmaps/settings", code=429, retry_after=1)
    c.kube.fault("status", method="PATCH", path="configmaps/settings", code=500)
    c.kube.fault("drop_after", method="POST", path="configmaps")
    c.apply(config_map())
    assert c.kube.get("ConfigMap", "settings")


def test_refused_object_says_why(cluster):
    bad = deployment()
    bad["spec"]["unknownField"] = 1
    monitor = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
               "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    text = cluster.apply(bad, monitor, code=1)
    assert "error [schema/unknown-field]" in text and "nothing was applied" in text, "found before the cluster is asked"
    assert cluster.kube.get("Deployment", "web") is None
    text = cluster.apply(bad, monitor, flags=("--wait=false", "--skip-validation"), code=1)
    assert "Deployment llm/web REFUSED" in text and 'unknown field "spec.unknownField"' in text
    assert cluster.kube.get("PodDisruptionBudget", "web") is None, "later waves wait"
    cluster.apply(deployment(), monitor)
    assert cluster.kube.get("PodDisruptionBudget", "web")


def test_unknown_kind_stops_before_anything(cluster):
    text = cluster.apply(config_map(), {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "x"}, "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "2"}}]}}, code=1)
    assert "ScaledObject" in text and "install the CRDs" in text
    assert cluster.kube.get("ConfigMap", "settings") is None


def test_crd_and_its_objects_in_one_apply(cluster):
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boats.sea.example"},
           "spec": {"group": "sea.example", "scope": "Namespaced", "names": {"plural": "boats", "kind": "Boat"},
                    "versions": [{"name": "v1", "served": True, "storage": True}]}}
    boat = {"apiVersion": "sea.example/v1", "kind": "Boat", "metadata": {"name": "one"}, "spec": {"sails": 2}}
    text = cluster.apply(boat, crd, flags=("--dry-run=server",), code=3)
    assert "Boat llm/one would be created (dry run; NOT CHECKED: its CRD is not in the cluster yet)" in text
    assert "2 objects: 1 checked, 1 not checked, 0 refused" in text
    cluster.apply(boat, crd)
    assert cluster.kube.get("Boat", "one")["spec"] == {"sails": 2}


def test_namespaces(cluster):
    c = cluster
    assert "there is no namespace other" in c.apply(config_map(), flags=("-n", "other"), code=1)
    c.apply(config_map(), flags=("-n", "other", "--create-namespace"))
    assert c.kube.get("ConfigMap", "settings", "other")
    elsewhere = config_map()
    elsewhere["metadata"]["namespace"] = "prod"
    assert "not the one of --namespace" in c.apply(elsewhere, flags=("-n", "other"), code=2)
    path = c.write(elsewhere)
    text = c.run("diff", path, code=2)
    assert "# apply would be refused: there is no namespace prod" in text and "+kind: ConfigMap" in text
    assert "Namespace prod created" in c.apply(elsewhere, flags=("--create-namespace", "--wait=false"))
    assert c.kube.get("ConfigMap", "settings", "prod") and c.run("diff", path) == ""


def test_job_is_replaced_where_its_template_changes(cluster):
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "fetch"},
           "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a:1"}]}}}}
    cluster.apply(job)
    uid = cluster.kube.get("Job", "fetch")["metadata"]["uid"]
    job["spec"]["template"]["spec"]["containers"][0]["image"] = "a:2"
    assert "replaced" in cluster.apply(job)
    assert cluster.kube.get("Job", "fetch")["metadata"]["uid"] != uid


def test_dry_runs_change_nothing(cluster):
    c = cluster
    text = c.apply(config_map(), deployment(), flags=("--dry-run=server",))
    assert "ConfigMap llm/settings created (dry run)" in text
    assert c.kube.get("ConfigMap", "settings") is None and c.kube.get("ConfigMap", "hadal-model") is None
    before = len(c.kube.requests)
    assert "would be applied" in c.apply(config_map(), flags=("--dry-run=client",))
    assert len(c.kube.requests) == before


def test_diff(cluster):
    c = cluster
    path = c.write(config_map(a="1"), deployment())
    assert "+  a: \"1\"" in c.run("diff", path, code=1)
    c.run("apply", path, "--wait=false")
    assert c.run("diff", path) == ""
    c.write(config_map(a="2"))
    text = c.run("diff", path, code=1)
    assert '-  a: "1"' in text and '+  a: "2"' in text and "Deployment llm/web would be pruned" in text
    assert c.kube.get("ConfigMap", "settings")["data"]["a"] == "1"
    c.run("diff", c.directory / "absent.yaml", code=2)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "aHVudGVyMg=="}}
    text = c.run("diff", c.write(config_map(a="1"), deployment(), secret), code=1)
    assert "aHVudGVyMg" not in text and "hunter2" not in text


def test_a_spec_is_rendered_and_applied(ready_cluster):
    c = ready_cluster
    spec = ROOT / "examples/tke-dual-node.yaml"
    text = c.run("apply", spec)
    assert "LeaderWorkerSet llm/deepseek-r1 created" in text and "deepseek-r1 is at revision 1" in text
    assert text.index("PersistentVolumeClaim") < text.index("LeaderWorkerSet") < text.index("Service llm/")
    assert c.run("diff", spec) == ""
    assert "revision 1" in c.run("status", spec)
    c.run("delete", spec, "--yes")
    assert c.kube.get("LeaderWorkerSet", "deepseek-r1") is None and c.kube.get("PersistentVolumeClaim", "deepseek-r1-model")


def test_rollback(cluster):
    c = cluster
    for value in "123":
        c.apply(config_map(a=value), *([service()] if value == "1" else []))
    assert c.kube.get("Service", "web") is None
    text = c.run("rollback", "model", "--wait=false")
    assert "rollback to revision 2" in text and c.kube.get("ConfigMap", "settings")["data"]["a"] == "2"
    c.run("rollback", "model", "--to", "1", "--wait=false")
    assert c.kube.get("ConfigMap", "settings")["data"]["a"] == "1" and c.kube.get("Service", "web")
    text = c.run("rollback", "model", "--to", "77", code=1)
    assert "has no revision 77 to go back to; there are 1, 2, 3, 4, 5 (current)" in text
    for value in range(12):
        c.apply(config_map(a=str(value)))
    kept = [k for k in c.kube.objects if k[0] == "Secret"]
    assert len(kept) == 10, "history is bounded"
    good = json.loads(c.run("history", "model", "--format", "json"))[-1]["revision"]
    for value in range(12):
        c.apply(config_map(a=f"bad{value}"), {**service(), "spec": {"unknownField": 1}}, code=1, flags=("--wait=false", "--skip-validation"))
    listed = json.loads(c.run("history", "model", "--format", "json"))
    assert len(listed) == 10, "failed applies are bounded too"
    assert [r["revision"] for r in listed if r["ended"]] == [good], "what worked stays"
    assert f"rollback to revision {good}" in c.run("rollback", "model", "--wait=false")
    assert c.kube.get("ConfigMap", "settings")["data"]["a"] == "11"


def test_delete(ready_cluster):
    c = ready_cluster
    c.apply(config_map(), deployment(), service(), claim())
    assert "add --yes" in c.run("delete", "model", code=2)
    c.run("delete", "model", "--dry-run=server")
    assert c.kube.get("Deployment", "web")
    c.kube.fault("drop_after", method="DELETE", path="deployments/web")
    text = c.run("delete", "model", "--yes")
    assert text.index("Deployment llm/web") < text.index("ConfigMap"), "last wave first"
    assert "stays: it holds data" in text and c.kube.get("PersistentVolumeClaim", "data")
    c.run("delete", "model", "--yes", "--storage")
    assert [k for k in c.kube.objects if k[0] != "Namespace"] == []
    assert "has applied nothing under the name model" in c.run("delete", "model", "--yes", code=1)


def test_delete_leaves_what_others_made_anew(cluster):
    c = cluster
    c.apply(config_map(), service())
    with c.kube.changed:
        c.kube.drop(("ConfigMap", "llm", "settings"))
        c.kube.put({**config_map(), "metadata": {"name": "settings", "namespace": "llm"}})
    assert "not this deployment's any more" in c.run("delete", "model", "--yes")
    assert c.kube.get("ConfigMap", "settings") and c.kube.get("Service", "web") is None


# --- waiting


def start(c, *arguments):
    return subprocess.Popen(c.command(*arguments), env=c.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_until(process, words, limit=30):
    """Lines up to the first that holds the words."""
    lines = []
    timer = threading.Timer(limit, process.kill)
    timer.start()
    for line in process.stdout:
        lines.append(line)
        if words in line:
            timer.cancel()
            return "".join(lines)
    raise AssertionError(f"never said {words!r}: {''.join(lines)}")


def test_waits_rank_by_rank(cluster):
    c = cluster
    k = c.kube
    process = start(c, "apply", c.write(lws()))
    read_until(process, "0 of 1 groups ready")
    k.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1"},
           "status": {"allocatable": {"nvidia.com/gpu": "8"}, "conditions": [{"type": "Ready", "status": "True"}]}})
    k.put(rank_pod(0, {"phase": "Pending", "containerStatuses": [
        {"name": "engine", "image": "registry/engine:1", "restartCount": 0,
         "state": {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}}]}, node="gpu-1"))
    read_until(process, "group 0 rank 0 (dsr1-0): image pull: container engine cannot pull registry/engine:1: manifest unknown")
    k.put(rank_pod(1, {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available."}]},
        resources={"requests": {"nvidia.com/gpu": "16"}}))
    read_until(process, "rank 1 (dsr1-0-1): unschedulable: no node fits (1 in the cluster): 1 is short of nvidia.com/gpu "
                        "(asks 16; the freest node, gpu-1, has 8 of 8)")
    k.put(rank_pod(0, {"phase": "Running", "containerStatuses": [
        {"name": "engine", "restartCount": 2, "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"exitCode": 3, "message": "the group is lost: rank 1 did not answer\n"}}}]}, node="gpu-1"))
    read_until(process, "crash loop: container engine crashed 2 times: exit code 3, last words: the group is lost")
    k.compact()  # the watches are too old now and list again
    k.put(rank_pod(0, READY, node="gpu-1"))
    k.put(rank_pod(1, READY, node="gpu-1"))
    k.set_status("LeaderWorkerSet", "dsr1", {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1})
    assert "revision 1" in read_until(process, "is at revision")
    assert process.wait(timeout=10) == 0


def test_wait_fails_where_a_job_failed(cluster):
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "fetch", "labels": {"hadal.dev/deployment": "web"}},
           "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a:1"}]}}}}
    process = start(cluster, "apply", cluster.write(job, deployment()))
    read_until(process, "Job llm/fetch: 0 of 1 done")
    cluster.kube.set_status("Job", "fetch", {"failed": 7, "conditions": [
        {"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}]})
    assert "backoff limit" in read_until(process, "will not come right")
    assert process.wait(timeout=10) == 1
    assert cluster.kube.get("Deployment", "web") is None


def test_wait_is_bounded_and_can_be_stopped(cluster):
    text = cluster.apply(deployment(), flags=("--timeout", "1"), code=1)
    assert "not ready within 1s" in text and "0 of 2 replicas ready" in text
    process = start(cluster, "apply", cluster.write(deployment()))
    read_until(process, "0 of 2 replicas ready")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=10)[0]
    assert process.returncode == 130 and "stopped while waiting" in output


def test_wait_goes_on_over_broken_watches(cluster):
    process = start(cluster, "apply", cluster.write(deployment()))
    read_until(process, "0 of 2 replicas ready")
    for _ in range(3):
        cluster.kube.fault("drop", method="WATCH", path="deployments")
        time.sleep(0.4)
    cluster.kube.make_ready(("Deployment", "llm", "web"))
    read_until(process, "is at revision 1")
    assert process.wait(timeout=10) == 0


# --- credentials


def test_wrong_token_and_no_config(cluster, tmp_path):
    kubeconfig(tmp_path / "bad", cluster.kube.url, {"token": "stale-token-x"})
    text = cluster.run("apply", cluster.write(config_map()), "--kubeconfig", tmp_path / "bad", code=1)
    assert "does not accept these credentials" in text and "stale-token-x" not in text
    text = cluster.run("status", code=1, KUBECONFIG=str(tmp_path / "absent"), HOME=str(tmp_path))
    assert "no kubeconfig" in text
    assert 'no context "nowhere"' in cluster.run("status", "--context", "nowhere", code=1)


def plugin(directory, body, name="login"):
    path = directory / name
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def exec_user(path, **more):
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "interactiveMode": "Never",
                     "args": ["token"], "env": [{"name": "WHO", "value": "me"}], "provideClusterInfo": True, **more}}


CREDENTIAL = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'


def test_exec_plugin_is_asked_again_when_its_token_is_refused(cluster, tmp_path):
    login = plugin(tmp_path, 'echo "$1 $WHO $KUBERNETES_EXEC_INFO" >>"$0.log"\n'
                   'if [ -e "$0.once" ]; then t=good-token; else t=old-token; fi; touch "$0.once"\n'
                   f"printf '{CREDENTIAL}' $t\n")
    cluster.config = kubeconfig(tmp_path / "config", cluster.kube.url, exec_user(login))
    cluster.apply(config_map())
    calls = pathlib.Path(f"{login}.log").read_text().splitlines()
    assert len(calls) == 2, "kept for all requests, made anew once"
    word, who, info = calls[0].split(" ", 2)
    assert (word, who) == ("token", "me") and json.loads(info)["spec"]["cluster"]["server"] == cluster.kube.url


def test_exec_plugin_failures_are_plain(cluster, tmp_path):
    def failing(user):
        cluster.config = kubeconfig(tmp_path / "config", cluster.kube.url, user)
        return cluster.run("status", code=1)
    assert "not found" in failing(exec_user("no-such-plugin-x", installHint="Install it from example.com"))
    assert "Install it from example.com" in failing(exec_user("no-such-plugin-x", installHint="Install it from example.com"))
    assert "exit code 7" in failing(exec_user(plugin(tmp_path, "exit 7\n")))
    assert "did not print an ExecCredential" in failing(exec_user(plugin(tmp_path, "echo secret-words\n")))
    assert "needs a terminal" in failing(exec_user(plugin(tmp_path, "true\n"), interactiveMode="Always"))
    assert "auth-provider" in failing({"auth-provider": {"name": "gcp"}})


def make_certificates(directory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", "-days", "2")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1,DNS:cluster.example"), ("client", "extendedKeyUsage=clientAuth")):
        (directory / "ext").write_text(extension)
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "ext", "-out", f"{name}.crt")


def test_mutual_tls(tmp_path):
    make_certificates(tmp_path)
    c = Cluster(tmp_path, tokens=(), tls=(str(tmp_path / "server.crt"), str(tmp_path / "server.key")), client_ca=str(tmp_path / "ca.crt"))
    me = {"client-certificate": "client.crt", "client-key": "client.key"}
    c.config = kubeconfig(tmp_path / "config", c.kube.url, me, {"certificate-authority": "ca.crt"})
    c.apply(config_map())
    assert c.kube.get("ConfigMap", "settings")
    c.config = kubeconfig(tmp_path / "config", c.kube.url, me, {"certificate-authority": "ca.crt", "tls-server-name": "cluster.example"})
    c.run("diff", c.write(config_map()))
    c.config = kubeconfig(tmp_path / "config", c.kube.url, me, {"certificate-authority": "ca.crt", "tls-server-name": "elsewhere.example"})
    assert "certificate" in c.run("status", code=1).lower()
    c.config = kubeconfig(tmp_path / "config", c.kube.url, me)
    assert "certificate" in c.run("status", code=1).lower(), "an unknown CA is refused"
    c.config = kubeconfig(tmp_path / "config", c.kube.url, {}, {"certificate-authority": "ca.crt"})
    c.run("status", code=1)
    c.kube.stop()


# --- looking


def broken_group(c):
    c.apply(lws(), service("api"))
    c.kube.put(rank_pod(0, READY, node="gpu-1"))
    c.kube.put(rank_pod(1, {"phase": "Running", "containerStatuses": [
        {"name": "engine", "ready": False, "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"exitCode": 1, "message": "ibv_reg_mr failed: Cannot allocate memory"}}}]}, node="gpu-2"))
    c.kube.logs[("dsr1-0", "engine", False)] = "\n".join(f"leader {i}" for i in range(6))
    c.kube.logs[("dsr1-0-1", "engine", False)] = "NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory"
    c.kube.logs[("dsr1-0-1", "engine", True)] = "before"


def test_status(cluster):
    broken_group(cluster)
    text = cluster.run("status", "model", code=1)
    assert "dsr1-0-1" in text and "crash loop" in text and "last words: ibv_reg_mr failed" in text
    report = json.loads(cluster.run("status", "--format", "json", code=1))
    ranks = report["workloads"][0]["ranks"]
    assert [(r["rank"], r["ready"], r["restarts"], r["node"]) for r in ranks] == [(0, True, 0, "gpu-1"), (1, False, 4, "gpu-2")]
    assert "there is no deployment or workload nothing" in cluster.run("status", "nothing", code=1)
    process = start(cluster, "status", "model", "--watch")
    read_until(process, "crash loop")
    cluster.kube.put(rank_pod(1, READY, node="gpu-2"))
    read_until(process, "dsr1-0-1  ready")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 143


def test_status_says_how_far_a_rank_has_loaded(cluster):
    cluster.apply(lws(size=1))
    starting = {"phase": "Running", "containerStatuses": [{"name": "engine", "started": False, "ready": False, "state": {"running": {}}}]}
    cluster.kube.put(rank_pod(0, starting, node="gpu-1", startupProbe={"httpGet": {"path": "/startupz", "port": 8000}}))
    cluster.kube.proxy[("dsr1-0", "/startupz")] = (503, '{"status":"starting","phase":"loading weights","progress":0.35}')
    assert "loading weights, 35%" in cluster.run("status", "model", code=1)
    assert len([r for r in cluster.kube.requests if "startupz" in r[1]]) == 1, "a 503 of the pod is its answer"


def test_logs(cluster):
    broken_group(cluster)
    text = cluster.run("logs", "model", "--tail", "2")
    assert text.splitlines() == ["[0/0 dsr1-0] leader 4", "[0/0 dsr1-0] leader 5",
                                 "[0/1 dsr1-0-1] NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory"]
    assert cluster.run("logs", "model", "--rank", "1", "--previous") == "[0/1 dsr1-0-1] before\n"
    assert "it takes a rank" in cluster.run("logs", "model", "--rank", "one", code=2)
    assert cluster.run("logs", "model", "--rank", "9", code=1)


def test_status_that_may_not_look_says_so(cluster):
    c = cluster
    c.kube.forbidden = [("GET", ".")]
    text = c.run("status", code=1)
    assert "cannot tell what runs here" in text and "nothing runs here" not in text
    lines = [line for line in text.splitlines() if line.startswith("cannot see")]
    assert len(lines) == 2, "one for the namespace, one for the cluster's own"
    assert "pods, events," in lines[0] and 'User "u" cannot list in the namespace "llm"' in lines[0]
    c.kube.forbidden = [("GET", "/(nodes|ingresses)")]
    assert "nothing runs here" not in c.run("status", code=1), "an Ingress may be there"
    c.kube.forbidden = [("GET", "/nodes")]
    assert "nothing runs here" in c.run("status")
    assert "there is no deployment or workload web" in c.run("status", "web", code=1)


def test_logs_of_pending_ranks_say_why(cluster):
    c = cluster
    c.apply(lws())
    text = c.run("logs", "model", code=1)
    assert "[0/0 dsr1] (no log yet: absent: the pod does not exist yet)" in text
    c.kube.put(rank_pod(0, {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}]}))
    text = c.run("logs", "model", code=1)
    assert "[0/0 dsr1-0] (no log yet: unschedulable: " in text and "[0/1 dsr1] (no log yet" in text
    c.kube.put(rank_pod(0, {"phase": "Running"}, node="gpu-1"))
    c.kube.logs[("dsr1-0", "engine", False)] = "hello"
    text = c.run("logs", "model")
    assert "[0/0 dsr1-0] hello" in text and "[0/1 dsr1] (no log yet" in text
    process = start(c, "logs", "model", "--follow")
    read_until(process, "[0/1 dsr1] (no log yet")
    c.kube.logs[("dsr1-0-1", "engine", False)] = "late"
    c.kube.put(rank_pod(1, {"phase": "Running"}, node="gpu-1"))
    read_until(process, "[0/1 dsr1-0-1] late")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)


def test_logs_follow_goes_on_after_a_broken_connection(cluster):
    broken_group(cluster)
    cluster.kube.fault("drop", method="LOG", path="pods/dsr1-0/")
    process = start(cluster, "logs", "model", "--follow", "--rank", "0")
    text = read_until(process, "leader 5")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert text.splitlines() == [f"[0/0 dsr1-0] leader {i}" for i in range(6)], "each line once"


def test_doctor_live_and_saved(cluster, tmp_path):
    broken_group(cluster)
    pod = rank_pod(0, READY, node="gpu-1", ports=[{"name": "http", "containerPort": 8000}],
                   env=[{"name": "API_KEY", "value": "hunter2"}])
    cluster.kube.put(pod)
    cluster.kube.proxy[("dsr1-0", "/metrics")] = "hadal_running_requests 3\nhadal_steps_total 77\n"
    cluster.kube.proxy[("dsr1-0", "/startupz")] = '{"status":"ready"}'
    live = json.loads(cluster.run("doctor", "model", "--format", "json", "--save", tmp_path / "saved", code=1).split("saved to")[0])
    rules = {f["rule"]: f for f in live["findings"]}
    assert {"group/dead-rank", "log/locked-memory", "engine/hang"} <= set(rules)
    assert rules["log/locked-memory"]["pain"] == 12 and "IPC_LOCK" in rules["log/locked-memory"]["nextStep"]
    saved = json.loads(cluster.run("doctor", "--from", tmp_path / "saved", "--format", "json", code=1))
    assert saved["findings"] == live["findings"]
    everything = "".join(p.read_text() for p in (tmp_path / "saved").rglob("*") if p.is_file())
    assert "hunter2" not in everything
    text = cluster.run("doctor", "--from", tmp_path / "saved", code=1)
    assert "1 of 2 pods are ready" in text


def test_doctor_needs_no_logs(cluster):
    """The message that the container left is enough where logs may not be read."""
    broken_group(cluster)
    cluster.kube.forbidden = [("GET", "/log$")]
    report = json.loads(cluster.run("doctor", "model", "--format", "json", code=1))
    found = {f["rule"]: f for f in report["findings"]}
    assert found["log/locked-memory"]["evidence"] == ["last words of dsr1-0-1/engine: ibv_reg_mr failed: Cannot allocate memory"]
    refused = [line for line in report["unseen"] if line.startswith("logs of pods: ")]
    assert len(refused) == 1, "said once, not for each pod"
    assert len([r for r in cluster.kube.requests if "/log" in r[1]]) == 1, "not asked again and again"


def test_doctor_leaves_the_neighbours_out(ready_cluster):
    c = ready_cluster
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "other"},
               "spec": {"selector": {"matchLabels": {"app": "gone"}}, "podMetricsEndpoints": [{"port": "metrics"}]}}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "other"},
              "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}, "maxReplicas": 9,
                       "metrics": [{"type": "Resource", "resource": {"name": "nvidia.com/gpu"}}]}}
    c.apply(deployment())
    c.apply(deployment("other"), monitor, scaler, name="other.json", flags=("--wait=false", "--skip-validation"))
    for name in ("web", "other"):
        pod = rank_pod(0, READY, name=name)
        pod["metadata"].update(name=f"{name}-1", labels={"app": name})
        c.kube.put(pod)
    assert "nothing is wrong" in c.run("doctor", "model")
    text = c.run("doctor", "other", code=1)
    assert "[monitor/selects-nothing]" in text and "[scale/gpu-resource]" in text


def test_doctor_finds_nothing_wrong(ready_cluster):
    ready_cluster.apply(deployment())
    pod = rank_pod(0, READY, name="web")
    pod["metadata"].update(name="web-1", labels={"app": "web"})
    ready_cluster.kube.put(pod)
    assert "nothing is wrong" in ready_cluster.run("doctor", "model")
