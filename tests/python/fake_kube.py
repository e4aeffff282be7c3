"""A Kubernetes API server for tests, in memory: discovery, objects, server-side apply with field managers and
conflicts, dry runs, watches, logs, the pod proxy, tokens and client certificates over TLS, and faults on order.

Not a controller: tests put status and pods in place with FakeKube.put and FakeKube.set_status, or ask for
ready=True, which makes every workload ready as soon as it is applied.
"""
import copy
import http.server
import json
import re
import ssl
import threading
import time
import urllib.parse

# kind: (apiVersion, plural, namespaced)
KINDS = {
    "Namespace": ("v1", "namespaces", False),
    "Node": ("v1", "nodes", False),
    "Pod": ("v1", "pods", True),
    "Event": ("v1", "events", True),
    "Secret": ("v1", "secrets", True),
    "ConfigMap": ("v1", "configmaps", True),
    "Service": ("v1", "services", True),
    "ServiceAccount": ("v1", "serviceaccounts", True),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims", True),
    "ResourceQuota": ("v1", "resourcequotas", True),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices", True),
    "StorageClass": ("storage.k8s.io/v1", "storageclasses", False),
    "Deployment": ("apps/v1", "deployments", True),
    "StatefulSet": ("apps/v1", "statefulsets", True),
    "DaemonSet": ("apps/v1", "daemonsets", True),
    "Job": ("batch/v1", "jobs", True),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers", True),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets", True),
    "Ingress": ("networking.k8s.io/v1", "ingresses", True),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies", True),
    "Role": ("rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings", True),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "httproutes", True),
    "ServiceMonitor": ("monitoring.coreos.com/v1", "servicemonitors", True),
    "PodMonitor": ("monitoring.coreos.com/v1", "podmonitors", True),
    "PrometheusRule": ("monitoring.coreos.com/v1", "prometheusrules", True),
    "LeaderWorkerSet": ("leaderworkerset.x-k8s.io/v1", "leaderworkersets", True),
    "Gateway": ("gateway.networking.k8s.io/v1", "gateways", True),
    "Queue": ("scheduling.volcano.sh/v1beta1", "queues", False),
}
# The key of each item of a list that is a set of named items; other lists are replaced whole.
LIST_KEYS = {"containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "ports": "port",
             "conditions": "type"}


class Refused(Exception):
    def __init__(self, code, reason, message, causes=(), retry_after=None):
        super().__init__(message)
        self.code, self.retry_after = code, retry_after
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
                       "reason": reason, "message": message, "details": {"causes": list(causes)}}


def leaves(value, path=()):
    """Every field that an applied configuration sets: paths of keys, list items by their key."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, path + (key,))
    elif isinstance(value, list) and path and LIST_KEYS.get(path[-1]) and all(
            isinstance(i, dict) and LIST_KEYS[path[-1]] in i for i in value):
        for item in value:
            yield from leaves(item, path + ((LIST_KEYS[path[-1]], item[LIST_KEYS[path[-1]]]),))
    else:
        yield path, value


def lookup(value, path):
    for step in path:
        if isinstance(step, tuple):
            value = next((i for i in value or [] if isinstance(i, dict) and i.get(step[0]) == step[1]), None)
        else:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return None
    return value


def assign(root, path, new):
    at = root
    for i, step in enumerate(path[:-1]):
        following = path[i + 1]
        if isinstance(step, tuple):
            item = next((x for x in at if x.get(step[0]) == step[1]), None)
            if item is None:
                item = {step[0]: step[1]}
                at.append(item)
            at = item
        else:
            if not isinstance(at.get(step), (dict, list)):
                at[step] = [] if isinstance(following, tuple) else {}
            at = at[step]
    at[path[-1]] = new


def remove(root, path):
    parent = lookup(root, path[:-1]) if len(path) > 1 else root
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
        if not parent and len(path) > 2 and not isinstance(path[-2], tuple):
            remove(root, path[:-1])
    for i, step in enumerate(path):
        if isinstance(step, tuple):
            items = lookup(root, path[:i])
            item = lookup(root, path[:i + 1])
            if item is not None and set(item) == {step[0]}:
                items.remove(item)
            return


def field_text(path):
    return "".join(f'[{s[0]}="{s[1]}"]' if isinstance(s, tuple) else f".{s}" for s in path)


def managed_fields(paths):
    """The fieldsV1 of managedFields; items of lists are named as in a conflict."""
    root = {}
    for path in paths:
        at = root
        for step in path:
            at = at.setdefault(field_text((step,)) if isinstance(step, tuple) else "f:" + step, {})
    return root


class FakeKube:
    def __init__(self, tokens=("good-token",), tls=None, client_ca=None, ready=False, kinds=None):
        self.kinds = dict(KINDS if kinds is None else kinds)
        self.objects = {}       # (kind, namespace, name): object
        self.owners = {}        # the same key: {manager: {path: value}}
        self.events = []        # (version, kind, type, object)
        self.version = 100
        self.oldest = 0
        self.logs, self.proxy = {}, {}  # proxy: (pod, path) to a text, or to (status, text)
        self.tokens = set(tokens)
        self.ready = ready
        self.definitions = {}   # of /openapi/v2
        self.requests = []      # (method, path with query)
        self.updated = set()    # (object, manager): owned by update, not by apply
        self.forbidden = []     # (verbs, regex of paths): "GET|PATCH", "/queues"; answered with 403
        self.faults = []        # dicts: method, path (regex), times, action, and what the action needs
        self.changed = threading.Condition(threading.RLock())
        self.client_ca = client_ca
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            if client_ca:
                context.load_verify_locations(client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        for name in ("default", "llm"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}})

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    # --- what tests do
    def put(self, obj):
        """Puts an object in place as a controller would, with its status."""
        with self.changed:
            key = (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            return self.store(key, copy.deepcopy(obj), self.objects.get(key))

    def set_status(self, kind, name, status, namespace="llm"):
        with self.changed:
            obj = copy.deepcopy(self.objects[(kind, namespace, name)])
            obj["status"] = status
            self.store((kind, namespace, name), obj, self.objects[(kind, namespace, name)])

    def get(self, kind, name, namespace="llm"):
        with self.changed:
            return copy.deepcopy(self.objects.get((kind, namespace, name)))

    def take_field(self, kind, name, path, value, manager, namespace="llm"):
        """Another manager applies one field by force."""
        with self.changed:
            key = (kind, namespace, name)
            obj = copy.deepcopy(self.objects[key])
            assign(obj, path, value)
            for fields in self.owners.get(key, {}).values():
                fields.pop(path, None)
            self.owners.setdefault(key, {}).setdefault(manager, {})[path] = value
            self.store(key, obj, self.objects[key])

    def fault(self, action, method="", path="", times=1, skip=0, **more):
        self.faults.append(dict(action=action, method=method, path=path, times=times, skip=skip, **more))

    def compact(self):
        with self.changed:
            self.oldest = self.version
            self.events.clear()

    # --- storage
    def store(self, key, obj, before):
        meta = obj["metadata"]
        managed = [
            {"manager": m, "operation": "Apply" if m.startswith("hadal") and (key, m) not in self.updated else "Update", "apiVersion": obj["apiVersion"],
             "fieldsType": "FieldsV1", "fieldsV1": managed_fields(fields)}
            for m, fields in self.owners.get(key, {}).items() if fields]
        if before is not None and self.visible(before) == self.visible(obj) and before["metadata"].get("managedFields") == managed:
            return before
        self.version += 1
        meta.setdefault("uid", before["metadata"]["uid"] if before else f"uid-{self.version}")
        meta.setdefault("creationTimestamp", before["metadata"]["creationTimestamp"] if before else
                        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        grown = before is None or before.get("spec") != obj.get("spec")
        meta["generation"] = (before["metadata"].get("generation", 0) if before else 0) + (1 if grown else 0)
        meta["resourceVersion"] = str(self.version)
        meta["managedFields"] = managed
        self.objects[key] = obj
        self.events.append((self.version, key[0], "MODIFIED" if before else "ADDED", copy.deepcopy(obj)))
        self.changed.notify_all()
        return obj

    @staticmethod
    def visible(obj):
        obj = copy.deepcopy(obj)
        for key in ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"):
            obj["metadata"].pop(key, None)
        return obj

    def drop(self, key):
        obj = self.objects.pop(key)
        self.owners.pop(key, None)
        self.version += 1
        gone = copy.deepcopy(obj)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, key[0], "DELETED", gone))
        if key[0] == "LeaderWorkerSet":
            for other in [k for k, o in self.objects.items() if k[0] == "Pod" and o["metadata"].get("labels", {}).get(
                    "leaderworkerset.sigs.k8s.io/name") == key[2]]:
                self.drop(other)
        self.changed.notify_all()

    def apply(self, key, config, manager, force, dry_run):
        kind, namespace, name = key
        config = copy.deepcopy(config)
        if namespace and ("Namespace", "", namespace) not in self.objects:
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found')
        for field in config.get("spec") or {}:
            if field.startswith("unknown"):
                raise Refused(400, "BadRequest", f'strict decoding error: unknown field "spec.{field}"')
        config["metadata"].pop("managedFields", None)
        before = self.objects.get(key)
        if kind == "Job" and before and config["spec"].get("template") != before["spec"].get("template"):
            raise Refused(422, "Invalid", f'Job.batch "{name}" is invalid: spec.template: Invalid value: field is immutable')
        if kind == "PersistentVolumeClaim" and before and any(
                config["spec"].get(k) != before["spec"].get(k) for k in ("storageClassName", "accessModes")):
            # As a real one says it, with a difference of its own structures.
            raise Refused(422, "Invalid", f'PersistentVolumeClaim "{name}" is invalid: spec: Forbidden: spec is immutable after '
                          'creation except resources.requests and volumeAttributesClassName for bound claims\n'
                          '@@ -10,7 +10,7 @@\n  "VolumeName": "",\n',
                          [{"reason": "FieldValueForbidden", "field": "spec", "message": "Forbidden"}])
        wanted = {p: v for p, v in leaves(config) if p[0] not in ("apiVersion", "kind") and
                  p not in (("metadata", "name"), ("metadata", "namespace"))}
        owners = copy.deepcopy(self.owners.get(key, {}))
        causes = []
        for path, value in wanted.items():
            for other, fields in owners.items():
                if other != manager and path in fields and lookup(before, path) != value:
                    causes.append({"reason": "FieldManagerConflict", "field": field_text(path),
                                   "message": f'conflict with "{other}" using {config["apiVersion"]}'})
                    if force:
                        fields.pop(path)
        if causes and not force:
            raise Refused(409, "Conflict", f"Apply failed with {len(causes)} conflicts", causes)
        merged = copy.deepcopy(before) if before else {"apiVersion": config["apiVersion"], "kind": kind,
                                                       "metadata": {"name": name}}
        if namespace:
            merged["metadata"]["namespace"] = namespace
        for path in owners.get(manager, {}):
            if path not in wanted and not any(path in f for m, f in owners.items() if m != manager):
                remove(merged, path)
        if kind in ("Deployment", "StatefulSet", "LeaderWorkerSet"):
            merged.setdefault("spec", {}).setdefault("replicas", 1)  # the server's default
        for path, value in wanted.items():
            assign(merged, path, copy.deepcopy(value))
        owners[manager] = wanted
        if dry_run:
            merged["metadata"].setdefault("uid", "dry")
            return merged
        self.owners[key] = owners
        self.updated.discard((key, manager))
        out = self.store(key, merged, before)
        if kind == "CustomResourceDefinition":
            spec = out["spec"]
            self.kinds[spec["names"]["kind"]] = (f'{spec["group"]}/{spec["versions"][0]["name"]}', spec["names"]["plural"],
                                                 spec["scope"] == "Namespaced")
            self.set_status(kind, name, {"conditions": [{"type": "Established", "status": "True"}]}, "")
        if self.ready or kind == "Namespace":
            self.make_ready(key)
        return out

    def merge(self, key, body, manager):
        """What it sets is the manager's from now on, by update and not by apply."""
        if key not in self.objects:
            raise Refused(404, "NotFound", f'{self.kinds[key[0]][1]} "{key[2]}" not found')
        self.updated.add((key, manager))
        for path, value in leaves(body):
            self.take_field(key[0], key[2], path, value, manager, key[1])
        return self.objects[key]

    def make_ready(self, key):
        kind, namespace, name = key
        obj = self.objects[key]
        generation = obj["metadata"]["generation"]
        replicas = (obj.get("spec") or {}).get("replicas", 1)
        status = {
            "Namespace": {"phase": "Active"},
            "PersistentVolumeClaim": {"phase": "Bound"},
            "Job": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]},
            "Deployment": {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
                           "availableReplicas": replicas, "readyReplicas": replicas},
            "LeaderWorkerSet": {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
                                "readyReplicas": replicas, "conditions": [{"type": "Available", "status": "True"}]},
        }.get(kind)
        if status is not None:
            self.set_status(kind, name, status, namespace)

    # --- HTTP
    def handler(fake):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def answer(self, code, body, headers=()):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "text/plain" if isinstance(body, bytes) else "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def hang_up(self):
                self.close_connection = True
                self.connection.close()

            def run(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with fake.changed:
                    fake.requests.append((self.command, self.path))
                    fault = fake.take_fault(self.command, self.path)
                action = fault["action"] if fault else ""
                if action == "drop_before":
                    return self.hang_up()
                if action == "slow":
                    time.sleep(fault["seconds"])
                if action == "status":
                    return self.answer(fault["code"], Refused(fault["code"], "Fault", fault.get("message", "a fault on order")).status,
                                       [("Retry-After", str(fault["retry_after"]))] if "retry_after" in fault else ())
                try:
                    if fake.tokens and self.headers.get("Authorization", "")[7:] not in fake.tokens:
                        raise Refused(401, "Unauthorized", "Unauthorized")
                    for verbs, pattern in fake.forbidden:
                        if self.command in verbs.split("|") and re.search(pattern, url.path):
                            raise Refused(403, "Forbidden", fake.forbidden_message(self.command, url.path))
                    if "watch" in query:
                        return fake.watch(self, url.path, query)
                    if url.path.endswith("/log"):
                        return fake.log(self, url.path, query)
                    if self.headers.get("Content-Type") == "application/merge-patch+json":
                        query["merge"] = "true"
                    result = fake.serve(self.command, url.path, query, json.loads(body) if body else None)
                except Refused as refused:
                    return self.answer(refused.code, refused.status)
                if action == "drop_after":
                    return self.hang_up()
                if isinstance(result, tuple):
                    return self.answer(result[0], result[1].encode())
                self.answer(200, result)

            do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = run

        return Handler

    def take_fault(self, method, path):
        for fault in self.faults:
            if fault["method"] not in ("", method) or not re.search(fault["path"], path):
                continue
            if fault["skip"] > 0:
                fault["skip"] -= 1
                continue
            if fault["times"] > 0:
                fault["times"] -= 1
                return fault
        return None

    def forbidden_message(self, method, path):
        kind, namespace, name, _ = self.parse(path)
        version, plural, _ = self.kinds[kind]
        group = version.rpartition("/")[0]
        title = plural + (f".{group}" if group else "") + (f' "{name}"' if name else "")
        verb = {"GET": "get" if name else "list", "POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}[method]
        place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        return f'{title} is forbidden: User "u" cannot {verb} resource "{plural}" in API group "{group}" {place}'

    def parse(self, path):
        """(kind, namespace, name, rest) of a path below /api/v1 or /apis/G/V."""
        match = re.match(r"^/(?:api/(v1)|apis/([^/]+/[^/]+))(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?(/.*)?$", path)
        if match and match[3] is None and match[4] == "namespaces":
            return "Namespace", "", match[5], match[6]
        if match is None and re.match(r"^/api/v1/namespaces/([^/]+)$", path):
            return "Namespace", "", path.rsplit("/", 1)[1], None
        if match:
            version = match[1] or match[2]
            for kind, (api_version, plural, namespaced) in self.kinds.items():
                if api_version == version and plural == match[4]:
                    return kind, match[3] or "", match[5], match[6]
        raise Refused(404, "NotFound", "the server could not find the requested resource")

    def serve(self, method, path, query, body):
        with self.changed:
            path = urllib.parse.unquote(path)
            if path == "/version":
                return {"major": "1", "minor": "36+", "gitVersion": "v1.36.0"}
            if path == "/openapi/v2":
                return {"swagger": "2.0", "definitions": self.definitions}
            versions = {v for v, _, _ in self.kinds.values()}
            match = re.match(r"^/(?:api/(v1)|apis/([^/]+)/([^/]+))$", path)
            if match:
                version = match[1] or f"{match[2]}/{match[3]}"
                if version not in versions:
                    raise Refused(404, "NotFound", "the server could not find the requested resource")
                return {"kind": "APIResourceList", "groupVersion": version, "resources": [
                    {"name": plural, "kind": kind, "namespaced": namespaced}
                    for kind, (v, plural, namespaced) in self.kinds.items() if v == version]}
            match = re.match(r"^/apis/([^/]+)$", path)
            if match:
                found = sorted(v for v in versions if v.startswith(match[1] + "/"))
                if not found:
                    raise Refused(404, "NotFound", "the server could not find the requested resource")
                return {"kind": "APIGroup", "name": match[1], "versions": [{"groupVersion": v} for v in found]}
            kind, namespace, name, rest = self.parse(path)
            if rest and "/proxy" in rest:
                pod, _, port = name.partition(":")
                text = self.proxy.get((pod, rest.split("/proxy", 1)[1]))
                if text is None:
                    raise Refused(503, "ServiceUnavailable", "no endpoints available")
                return text if isinstance(text, tuple) else text.encode()
            return self.object_request(method, (kind, namespace, name), query, body)

    def object_request(self, method, key, query, body):
        kind, namespace, name = key
        if method == "POST":
            key = (kind, namespace, body["metadata"]["name"])
            if namespace and ("Namespace", "", namespace) not in self.objects:
                raise Refused(404, "NotFound", f'namespaces "{namespace}" not found')
            for field in body.get("spec") or {}:
                if field.startswith("unknown") and query.get("fieldValidation") == "Strict":
                    raise Refused(400, "BadRequest", f'strict decoding error: unknown field "spec.{field}"')
            if key in self.objects:
                raise Refused(409, "AlreadyExists", f'{self.kinds[kind][1]} "{key[2]}" already exists')
            if "dryRun" in query:
                return body
            return self.store(key, copy.deepcopy(body), None)
        if name is None:
            items = [o for k, o in sorted(self.objects.items()) if k[0] == kind and namespace in ("", k[1]) and
                     self.selected(o, query.get("labelSelector", ""))]
            start, limit = int(query.get("continue", 0)), int(query.get("limit", 500))
            meta = {"resourceVersion": str(self.version)}
            if start + limit < len(items):
                meta["continue"] = str(start + limit)
            return {"kind": kind + "List", "apiVersion": self.kinds[kind][0], "metadata": meta,
                    "items": [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")}
                              for o in items[start:start + limit]]}
        if method == "PATCH" and "merge" in query:
            return self.merge(key, body, query["fieldManager"])
        if method == "PATCH":
            return self.apply(key, body, query["fieldManager"], query.get("force") == "true", "dryRun" in query)
        if key not in self.objects:
            raise Refused(404, "NotFound", f'{self.kinds[kind][1]} "{name}" not found')
        if method == "PUT":
            if body["metadata"].get("resourceVersion") not in (None, self.objects[key]["metadata"]["resourceVersion"]):
                raise Refused(409, "Conflict", "the object has been modified")
            fresh = copy.deepcopy(body)
            fresh["metadata"].pop("resourceVersion", None)
            return self.store(key, fresh, self.objects[key])
        if method == "DELETE":
            uid = ((body or {}).get("preconditions") or {}).get("uid")
            if uid and uid != self.objects[key]["metadata"]["uid"]:
                raise Refused(409, "Conflict", "the UID in the precondition does not match")
            if "dryRun" not in (body or {}):
                self.drop(key)
            return {"kind": "Status", "status": "Success"}
        return self.objects[key]

    @staticmethod
    def selected(obj, selector):
        labels = obj["metadata"].get("labels", {})
        return all(labels.get(k) == v for k, v in (part.split("=") for part in selector.split(",") if part))

    def watch(self, request, path, query):
        kind, namespace, _, _ = self.parse(path)
        since = int(query.get("resourceVersion") or 0)
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()

        def send(event):
            data = json.dumps(event).encode() + b"\n"
            request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            request.wfile.flush()

        try:
            if since < self.oldest:
                send({"type": "ERROR", "object": Refused(410, "Expired", "too old resource version").status})
                request.wfile.write(b"0\r\n\r\n")
                return
            end = time.time() + min(int(query.get("timeoutSeconds", 60)), 60)
            while time.time() < end:
                with self.changed:
                    new = [e for e in self.events if e[0] > since and e[1] == kind and
                           namespace in ("", e[3]["metadata"].get("namespace", ""))]
                    if not new:
                        self.changed.wait(0.2)
                        if self.take_fault("WATCH", path):
                            return request.hang_up()
                        continue
                for version, _, what, obj in new:
                    send({"type": what, "object": obj})
                    since = version
            request.wfile.write(b"0\r\n\r\n")
        except OSError:
            request.close_connection = True

    def log(self, request, path, query):
        pod = path.split("/")[-2]
        scheduled = any(k[0] == "Pod" and k[2] == pod and o.get("spec", {}).get("nodeName") for k, o in self.objects.items())
        if (pod, query.get("container"), "previous" in query) not in self.logs and not scheduled:
            return request.answer(200, b"")  # as the API server does where no node runs it
        text = self.logs.get((pod, query.get("container"), "previous" in query))
        if text is None:
            return request.answer(400, Refused(400, "BadRequest", f'container "{query.get("container")}" is waiting to start').status)
        lines = [(f"2026-01-01T00:00:{i:02d}.000000001Z", line) for i, line in enumerate(text.splitlines())]
        if "sinceTime" in query:
            lines = [x for x in lines if x[0][:19] >= query["sinceTime"][:19]]
        if "tailLines" in query:
            lines = lines[-int(query["tailLines"]):] if int(query["tailLines"]) else []
        lines = [f"{t} {x}" if "timestamps" in query else x for t, x in lines]
        if "follow" in query and self.take_fault("LOG", path):
            half = "\n".join(lines[:len(lines) // 2]) + "\n"
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            request.wfile.write(b"%x\r\n%s\r\n" % (len(half.encode()), half.encode()))
            request.wfile.flush()
            return request.hang_up()
        request.answer(200, ("\n".join(lines) + "\n").encode())


def kubeconfig(path, server, user, cluster=None, namespace="llm"):
    """Writes a kubeconfig (JSON is YAML) with one context."""
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user}]}))
    return str(path)
