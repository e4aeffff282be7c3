"""hadal deploy apply, where others have a say: autoscalers, other deployments, and clusters that grant little."""
import json

import pytest

from kube_tools import ROOT, claim, cluster, config_map, deployment, lws, needs_hadal, service  # noqa: F401 (cluster is a fixture)

pytestmark = needs_hadal


def scaler(kind="Deployment", name="web", minimum=2):
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name}, "minReplicas": minimum, "maxReplicas": 9}}


def without_replicas(workload):
    return {**workload, "spec": {k: v for k, v in workload["spec"].items() if k != "replicas"}}


def stateful(name="web", replicas=2):
    made = deployment(name, replicas)
    return {**made, "kind": "StatefulSet", "spec": {**made["spec"], "serviceName": name}}


@pytest.mark.parametrize("make", [deployment, stateful, lws], ids=["Deployment", "StatefulSet", "LeaderWorkerSet"])
def test_an_autoscaler_takes_over_the_replicas_as_they_are(cluster, make):
    c = cluster
    kind, name = make()["kind"], make()["metadata"]["name"]

    def replicas():
        return c.kube.get(kind, name)["spec"]["replicas"]
    c.apply(make(replicas=3))
    seen = []
    kept = c.kube.store
    c.kube.store = lambda key, obj, before: (seen.append(obj["spec"].get("replicas")) if key[0] == kind else None, kept(key, obj, before))[1]
    scaled = (without_replicas(make()), scaler(kind, name))
    assert "replicas stay 3" in c.run("diff", c.write(*scaled), code=1)
    assert "replicas stay 3, as they are: the autoscaler sets them from now on" in c.apply(*scaled, flags=("--dry-run=server",))
    assert "the autoscaler sets them from now on" in c.apply(*scaled)
    assert replicas() == 3 and set(seen) == {3}, "at no moment another count"
    assert "replicas" not in c.apply(*scaled) and replicas() == 3
    c.kube.take_field(kind, name, ("spec", "replicas"), 5, "kube-controller-manager")
    c.apply(*scaled)
    assert replicas() == 5, "the autoscaler's"
    c.apply(make(replicas=8), scaler(kind, name), flags=("--wait=false", "--force-conflicts"))
    assert replicas() == 5, "not even by force"
    text = c.apply(make(replicas=2))
    assert "replicas are set by the file again" in text and replicas() == 2
    assert text.index(f"{kind} llm/{name} changed") < text.index("HorizontalPodAutoscaler llm/" + name + " pruned")
    c.apply(without_replicas(make()))
    assert replicas() == 2, "left out, with nobody to scale it: kept"
    c.apply(make(replicas=4))
    assert replicas() == 4, "our own hand-over is no conflict"


def test_replicas_that_others_scale_are_a_conflict(cluster):
    c = cluster
    c.apply(deployment(replicas=2))
    c.kube.put({**scaler(), "metadata": {"name": "theirs", "namespace": "llm"}})
    c.kube.take_field("Deployment", "web", ("spec", "replicas"), 7, "kube-controller-manager")
    text = c.apply(deployment(replicas=2, image="registry/engine:2"), code=1)
    assert "HorizontalPodAutoscaler llm/theirs scales it: leave spec.replicas out" in text and "CONFLICT" in text
    assert c.kube.get("Deployment", "web")["spec"]["replicas"] == 7
    with c.kube.changed:
        c.kube.drop(("HorizontalPodAutoscaler", "llm", "theirs"))
    c.kube.take_field("Deployment", "web", ("spec", "replicas"), 6, "kubectl")
    assert ".spec.replicas was set by kubectl" in c.apply(deployment(replicas=2), code=1), "a person's is never taken"


def queue(weight=1):
    return {"apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue", "metadata": {"name": "gpu"}, "spec": {"weight": weight}}


def gateway(port=80):
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "edge"},
            "spec": {"gatewayClassName": "c", "listeners": [{"name": "http", "port": port, "protocol": "HTTP"}]}}


def storage_class():
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}, "provisioner": "p.example"}


SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm", "labels": {"team": "a"}}}


def test_shared_objects_are_never_fought_over(cluster):
    c = cluster
    shared = (SPACE, queue(), storage_class(), gateway())
    c.apply(*shared, config_map("one"), name="one.json")
    text = c.apply(*shared, config_map("two"), name="two.json")
    assert "Queue gpu is shared, and left as it is" in text
    one, two = (c.write(*shared, config_map(n), name=f"{n}.json") for n in ("one", "two"))
    assert c.run("diff", one) == "" and c.run("diff", two) == ""
    versions = [c.kube.get(k, n, s)["metadata"]["resourceVersion"] for k, n, s in
                (("Queue", "gpu", ""), ("StorageClass", "fast", ""), ("Gateway", "edge", "llm"), ("Namespace", "llm", ""))]
    for path in (one, two, one):
        c.run("apply", path, "--wait=false")
    assert versions == [c.kube.get(k, n, s)["metadata"]["resourceVersion"] for k, n, s in
                        (("Queue", "gpu", ""), ("StorageClass", "fast", ""), ("Gateway", "edge", "llm"), ("Namespace", "llm", ""))]
    text = c.apply(SPACE, queue(5), config_map("two"), name="two.json")
    assert "deployment llm/one made it: it is left as it is, and differs in .spec.weight" in text
    assert "(it has 1, this deployment wants 5); .spec.weight was set by deployment llm/one; --force-conflicts takes that over" in text
    assert c.kube.get("Queue", "gpu", "")["spec"]["weight"] == 1
    c.apply(*shared, config_map("two"), name="two.json")
    text = c.apply(config_map("one"), name="one.json", flags=("--wait=false", "--prune-storage"))
    assert text.count("stays: other deployments use it") == 3 and c.kube.get("Queue", "gpu", "") and c.kube.get("Gateway", "edge")
    c.run("delete", "two", "--yes", "--storage")
    assert c.kube.get("Namespace", "llm", "")


def test_who_made_a_shared_object_removes_it_when_nobody_else_uses_it(cluster):
    c = cluster
    c.apply(queue(), config_map("one"), name="one.json")
    c.apply(queue(), config_map("two"), name="two.json")
    c.apply(config_map("two"), name="two.json")
    assert c.kube.get("Queue", "gpu", ""), "two did not make it"
    assert "Queue gpu pruned" in c.apply(config_map("one"), name="one.json")
    c.kube.put(queue())
    c.apply(queue(), config_map("one"), name="one.json")
    assert "did not make it" in c.apply(config_map("one"), name="one.json") and c.kube.get("Queue", "gpu", "")


def test_an_admin_of_one_namespace_applies(cluster):
    c = cluster
    c.kube.forbidden = [("PATCH|DELETE|POST", "^/api/v1/namespaces/llm$"), ("GET|PATCH|DELETE|POST", "/queues"),
                        ("GET|PATCH|DELETE", "^/api/v1/configmaps")]
    text = c.apply(SPACE, config_map(), deployment())
    assert "note: it was there before, and you may not change it: it is left as it is, and differs in .metadata.labels" in text
    assert c.kube.get("Deployment", "web")
    assert c.run("diff", c.write(SPACE, config_map(), deployment())).startswith("# Namespace llm: it was there before")
    c.kube.forbidden.append(("GET", "^/api/v1/namespaces/llm$"))
    assert "you may not look at it: it is taken to be there" in c.apply(SPACE, config_map(), deployment())
    c.kube.forbidden.pop()
    text = c.apply(SPACE, queue(), config_map(), deployment(), service(), code=1)
    assert "Queue gpu REFUSED" in text and "stopped" in text
    text = c.apply(SPACE, config_map(), deployment())
    assert "Queue" not in text, "what was never made is not pruned"
    assert c.kube.get("Service", "web") is None


def test_a_prune_that_is_forbidden(cluster):
    c = cluster
    c.apply(queue(), config_map(), service())
    c.kube.forbidden = [("DELETE", "/queues")]
    text = c.apply(config_map(), flags=("--dry-run=server",), code=1)
    assert "Queue gpu STAYS: you may not delete it (dry run)" in text
    text = c.apply(config_map(), code=1)
    assert "Queue gpu STAYS: you may not delete it" in text and "Service llm/web pruned" in text and "1 not pruned" in text
    c.kube.forbidden = [("GET|DELETE", "/queues")]
    assert "Queue gpu is left: you may not look whether it is there" in c.apply(config_map())
    assert "may not be deleted" in c.run("delete", "model", "--yes", code=1)
    c.kube.forbidden = []
    assert "Queue gpu deleted" in c.run("delete", "model", "--yes")


def test_who_made_a_shared_object_is_told_what_the_others_set(cluster):
    c = cluster
    c.apply(gateway(80), config_map("one"), name="one.json")
    c.apply(gateway(81), config_map("two"), name="two.json", flags=("--wait=false", "--force-conflicts"))
    text = c.apply(gateway(80), config_map("one"), name="one.json")
    assert "note: other deployments have set fields of it: it is left as it is, and differs in .spec.listeners" in text
    assert "(it has 81, this deployment wants 80)" in text and "was set by deployment llm/two" in text
    assert c.kube.get("Gateway", "edge")["spec"]["listeners"][0]["port"] == 81


def space(name="other"):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


OTHER = ("-n", "other", "--wait=false")


def test_the_last_deployment_of_a_namespace_removes_it(cluster):
    c = cluster
    for name in ("one", "two"):
        c.apply(space(), config_map(name), flags=OTHER, name=f"{name}.json")
    text = c.run("delete", "one", "-n", "other", "--yes", "--storage", "--dry-run=server")
    assert c.kube.get("Namespace", "other", "")["metadata"]["annotations"]["hadal.dev/inventory"] == "other/one"
    text = c.run("delete", "one", "-n", "other", "--yes", "--storage")
    assert "stays: other deployments use it: other/two; its removal is up to other/two now" in text
    assert c.kube.get("ConfigMap", "two", "other")
    text = c.apply(space(), config_map("two"), flags=OTHER, name="two.json")
    assert "CONFLICT" not in text and "Namespace other unchanged" in text
    assert "Namespace other deleted" in c.run("delete", "two", "-n", "other", "--yes", "--storage")
    assert c.kube.get("Namespace", "other", "") is None


def test_what_is_handed_on_keeps_what_the_heir_set(cluster):
    c = cluster
    c.apply(gateway(80), queue(), config_map("one"), name="one.json")
    c.apply(gateway(81), queue(), config_map("two"), name="two.json", flags=("--wait=false", "--force-conflicts"))
    text = c.run("delete", "one", "--yes")
    assert text.count("its removal is up to llm/two now") == 2
    assert c.kube.get("Gateway", "edge")["spec"]["listeners"][0]["port"] == 81
    text = c.run("delete", "two", "--yes")
    assert "Gateway llm/edge deleted" in text and "Queue gpu deleted" in text, "also what it has never applied since"


def test_a_namespace_with_other_things_in_it_stays(cluster):
    c = cluster
    c.apply(space(), config_map("one"), flags=OTHER, name="one.json")
    c.kube.put({**claim("theirs"), "metadata": {"name": "theirs", "namespace": "other"}})
    text = c.run("delete", "one", "-n", "other", "--yes", "--storage")
    assert "stays: something else lives in it: PersistentVolumeClaim theirs; `kubectl delete namespace other`" in text
    assert c.kube.get("PersistentVolumeClaim", "theirs", "other")
    c.apply(space("mine"), config_map("one"), flags=("-n", "mine", "--wait=false"), name="one.json")
    c.kube.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": "mine"}})
    c.kube.forbidden = [("GET", "^/api/v1/namespaces/mine/secrets$")]
    assert "stays: others may use it, and you may not look" in c.run("delete", "one", "-n", "mine", "--yes", "--storage")
    c.kube.forbidden = []


def test_a_namespace_of_create_namespace_stays_and_is_said(cluster):
    c = cluster
    c.apply(config_map("one"), flags=("-n", "other", "--wait=false", "--create-namespace"), name="one.json")
    text = c.run("delete", "one", "-n", "other", "--yes")
    assert "Namespace other stays, as --create-namespace made it: `kubectl delete namespace other`" in text
    assert "stays" not in (c.apply(config_map("one"), name="one.json"), c.run("delete", "one", "--yes"))[1]


def test_a_namespace_in_the_file_must_be_the_one_of_the_flag(cluster, tmp_path):
    c = cluster
    spec = ROOT / "examples/tke-dual-node.yaml"
    c.apply(space(), name="space.json")
    for command in ("apply", "diff", "status", "logs", "doctor", "delete", "history", "rollback"):
        more = ("--yes",) if command == "delete" else ()
        text = c.run(command, spec, "-n", "other", *more, code=2)
        assert 'the namespace of the spec is "llm", which is not the one of --namespace, "other"' in text, command
        assert "tke-dual-node.yaml:" in text and "leave --namespace out" in text
    elsewhere = config_map()
    elsewhere["metadata"]["namespace"] = "prod"
    path = c.write(elsewhere)
    for command in ("apply", "diff", "status", "delete"):
        text = c.run(command, path, "-n", "other", code=2)
        assert 'is "prod", which is not the one of --namespace, "other"' in text, command
    assert c.kube.get("LeaderWorkerSet", "deepseek-r1") is None
    nowhere = tmp_path / "nowhere.yaml"
    nowhere.write_text("".join(line for line in spec.read_text().splitlines(True) if not line.startswith("namespace:")))
    c.run("apply", nowhere, "-n", "other", "--wait=false")
    assert c.kube.get("LeaderWorkerSet", "deepseek-r1", "other"), "a spec without one goes where the flag says"


def test_what_cannot_be_changed_is_said_in_words(cluster):
    c = cluster
    c.apply(claim(), config_map())
    changed = claim()
    changed["spec"]["storageClassName"] = "slow"
    text = c.apply(changed, config_map(a="2"), code=1)
    assert ".spec.storageClassName: from none to \"slow\"" in text and "ITS DATA IS LOST" in text
    assert "kubectl delete persistentvolumeclaim data -n llm" in text and "the cluster says: PersistentVolumeClaim" in text
    assert "@@" not in text
    text = c.run("diff", c.write(changed, config_map(a="3")), code=2)
    assert "# PersistentVolumeClaim llm/data: apply would be refused: " in text and "#     .spec.storageClassName: from none" in text
    assert '+  a: "3"' in text, "the other objects are still shown"


def test_records_are_not_overwritten(cluster):
    c = cluster
    c.apply(config_map(), name="rr.json")
    before = c.kube.get("ConfigMap", "hadal-rr")["data"]
    evil = config_map(a="2")
    evil["metadata"]["name"] = "hadal-rr"
    for command in (("apply", "--wait=false"), ("diff",)):
        text = c.run(command[0], c.write(evil, name="ev.json"), *command[1:], code=1 if command[0] == "apply" else 2)
        assert "hadal keeps its record of the deployment rr in an object of this name" in text, command
    assert c.kube.get("ConfigMap", "hadal-rr")["data"] == before
    assert "current" in c.run("history", "rr")
