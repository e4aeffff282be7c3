"""hadal pull and push against an S3 server (moto), and the signer against botocore's.

Needs moto with its server and boto3, as requirements.txt has them.
"""
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import botocore.auth as botocore_auth
import moto.server as moto_server
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", ROOT / "build/release"))
PROGRAM = BUILD / "hadal"
SIGNER = BUILD / "src/hub/hadal_sigv4_tool"
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")


def botocore_signature(method, url, params, headers, region, token, date):
    """The Authorization field as botocore makes it, from the parts of a request."""
    request = AWSRequest(method=method, url=url, params=params, headers=headers)
    request.context["timestamp"] = date
    # The signer of object stores: paths as they are, the payload's hash from its field.
    auth = botocore_auth.S3SigV4Auth(Credentials(ACCESS, SECRET, token or None), "s3", region)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    names = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"


def random_text(source, most):
    alphabet = "abcXYZ019-._~ !\"#$%&'()*+,/:;<=>?@[]^`{|}\\äß漢字😀"
    return "".join(source.choice(alphabet) for _ in range(source.randint(0, most)))


@pytest.mark.skipif(not SIGNER.exists(), reason=f"{SIGNER} is not built")
def test_signatures_of_odd_requests():
    source = random.Random(random.randrange(1 << 30))
    requests = []
    for _ in range(3000):
        date = datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=source.randrange(10**8))
        headers = {f"x-amz-meta-{source.randrange(1000)}": " a  b " + str(source.random()) for _ in range(source.randint(0, 3))}
        if source.random() < 0.3:
            headers["x-amz-checksum-sha256"] = "QUJD+/=="
        query = {random_text(source, 12) or "uploads": random_text(source, 12) for _ in range(source.randint(0, 5))}
        requests.append(
            {
                "method": source.choice(["GET", "PUT", "POST", "HEAD", "DELETE"]),
                "host": source.choice(["s3.eu-west-1.amazonaws.com", "127.0.0.1:9000", "bucket.example.com"]),
                "path": "/" + random_text(source, 40),
                "query": list(query.items()),
                "headers": headers,
                "payload": source.choice(["UNSIGNED-PAYLOAD", hashlib.sha256(b"x").hexdigest()]),
                "access": ACCESS,
                "secret": SECRET,
                "token": source.choice(["", "FwoGZXIvYXdzE+/=="]),
                "region": source.choice(["us-east-1", "cn-north-1"]),
                "date": date.strftime("%Y%m%dT%H%M%SZ"),
            }
        )
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    output = subprocess.run([SIGNER], input=lines, capture_output=True, text=True, check=True, timeout=60).stdout
    answers = [json.loads(line) for line in output.splitlines()]
    assert len(answers) == len(requests)
    for request, answer in zip(requests, answers):
        authorization = answer.pop("Authorization")
        sent = answer.pop("url")
        headers = answer | {"host": request["host"]}
        url = f"http://{request['host']}{urllib.parse.quote(request['path'], safe='/-_.~')}"
        expected = botocore_signature(
            request["method"], url, dict(request["query"]), headers, request["region"], request["token"], request["date"]
        )
        assert authorization == expected, request
        # What is sent is what was signed.
        assert sent.split("?")[0] == url
        assert dict(urllib.parse.parse_qsl(sent.split("?", 1)[1], keep_blank_values=True, strict_parsing=bool(request["query"]))) == dict(
            request["query"]
        )


class Gate(BaseHTTPRequestHandler):
    """In front of moto, which takes any signature: refuses what botocore would have signed otherwise."""

    protocol_version = "HTTP/1.1"
    target = 0
    bad = []
    seen = []
    fail = None  # (method, path, body) -> status or None

    def log_message(self, *args):
        pass

    def check(self, body):
        authorization = self.headers.get("Authorization", "")
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=\w+/\d+/([\w-]+)/s3/aws4_request, SignedHeaders=([\w;-]+), Signature=\w+", authorization)
        if not match:
            return "no signature"
        signed = {name: self.headers[name] for name in match[2].split(";")}
        if signed.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
            return "another payload"
        url = urllib.parse.urlsplit(self.path)
        params = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        expected = botocore_signature(
            self.command,
            f"http://{self.headers['Host']}{url.path}",
            params,
            signed,
            match[1],
            self.headers.get("x-amz-security-token", ""),
            self.headers["x-amz-date"],
        )
        return "" if expected == authorization else f"{expected} is not {authorization}"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        problem = self.check(body)
        self.seen.append((self.command, self.path))
        if problem:
            self.bad.append(f"{self.command} {self.path}: {problem}")
        status = self.fail(self.command, self.path, body) if self.fail else None
        if problem or status:
            self.send_response(403 if problem else status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.target)
        # A store may give shorter pages than asked for.
        path = self.path.replace("max-keys=1000", "max-keys=20")
        connection.request(self.command, path, body, dict(self.headers))
        response = connection.getresponse()
        data = response.read()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer


class GateServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@pytest.fixture(scope="module")
def moto():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def store(moto):
    handler = type("OwnGate", (Gate,), {"target": moto, "bad": [], "seen": []})
    gate = GateServer(("127.0.0.1", 0), handler)
    threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{moto}",
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    bucket = f"models-{random.randrange(1 << 40)}"
    client.create_bucket(Bucket=bucket)
    handler.url = f"http://127.0.0.1:{gate.server_address[1]}"
    handler.client = client
    handler.bucket = bucket
    yield handler
    gate.shutdown()
    assert handler.bad == []


def run(store, *args, timeout=120, **more):
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("AWS_")}
    env |= {"HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": store.url} | more
    result = subprocess.run([PROGRAM, *map(str, args)], env=env, capture_output=True, text=True, timeout=timeout)
    print(result.stdout, result.stderr)
    assert SECRET not in result.stdout + result.stderr
    return result


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub dir").mkdir(parents=True)
    source = random.Random(5)
    (folder / "model.safetensors").write_bytes(source.randbytes(17_000_000))
    (folder / "config.json").write_bytes(source.randbytes(300))
    (folder / "empty.txt").write_bytes(b"")
    (folder / "sub dir" / "odd +&=%~'(1).json").write_bytes(source.randbytes(200))
    return folder


def same(a, b):
    files = lambda root: {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.name.startswith(".hadal")}
    assert files(a) == files(b)


def test_push_and_pull(store, model, tmp_path):
    target = f"s3://{store.bucket}/teams/r1 models"
    assert run(store, "push", model, target, "--part-size", "5Mi", AWS_SESSION_TOKEN="FwoGZX+/==").returncode == 0
    assert any("partNumber=4" in path for _, path in store.seen)
    assert run(store, "pull", target, "--to", tmp_path / "back", "--part-size", "1Mi").returncode == 0
    same(model, tmp_path / "back")
    assert run(store, "pull", "--verify", tmp_path / "back").returncode == 0
    store.seen.clear()
    again = run(store, "push", model, target)
    assert again.returncode == 0 and "4 there already" in again.stdout
    assert [path for method, path in store.seen if method == "PUT"] == [f"/{store.bucket}/teams/r1%20models/.hadal-model.json"]
    assert "complete already" in run(store, "pull", target, "--to", tmp_path / "back").stdout


def test_pull_of_what_others_uploaded(store, model, tmp_path):
    """Checksums of S3's own: of whole objects, of parts, ETags of both kinds; and a bucket's pages."""
    put = store.client.put_object
    data = (model / "model.safetensors").read_bytes()
    put(Bucket=store.bucket, Key="m/model.safetensors", Body=data, ChecksumAlgorithm="SHA256")
    put(Bucket=store.bucket, Key="m/plain.safetensors", Body=data)
    store.client.upload_file(str(model / "model.safetensors"), store.bucket, "m/parts.safetensors")
    upload = store.client.create_multipart_upload(Bucket=store.bucket, Key="m/sums.safetensors", ChecksumAlgorithm="SHA256")
    parts = []
    for index in range(0, len(data), 6 << 20):
        answer = store.client.upload_part(
            Bucket=store.bucket, Key="m/sums.safetensors", UploadId=upload["UploadId"], PartNumber=len(parts) + 1, Body=data[index : index + (6 << 20)], ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": len(parts) + 1, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    store.client.complete_multipart_upload(Bucket=store.bucket, Key="m/sums.safetensors", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
    for index in range(50):
        put(Bucket=store.bucket, Key=f"m/many/{index}.json", Body=b"{}")
    put(Bucket=store.bucket, Key="m/folder/", Body=b"")
    put(Bucket=store.bucket, Key="mm/other.json", Body=b"{}")
    assert run(store, "pull", f"s3://{store.bucket}/m", "--to", tmp_path / "back", "--exclude", "many/1*").returncode == 0
    for name in ("model", "plain", "parts", "sums"):
        assert (tmp_path / f"back/{name}.safetensors").read_bytes() == data
    assert len(list((tmp_path / "back/many").iterdir())) == 50 - sum(str(i).startswith("1") for i in range(50))
    assert sum("continuation-token" in path for _, path in store.seen) >= 2
    assert not (tmp_path / "back/other.json").exists()
    single = run(store, "pull", f"s3://{store.bucket}/m/plain.safetensors", "--to", tmp_path / "one")
    assert single.returncode == 0 and (tmp_path / "one/plain.safetensors").read_bytes() == data
    nothing = run(store, "pull", f"s3://{store.bucket}/nothing", "--to", tmp_path / "none")
    assert nothing.returncode == 1 and "holds no objects" in nothing.stderr


def test_only_what_is_wanted_is_asked_about(store, model, tmp_path):
    """No HEAD for what the filter leaves out, and none for what is known to be the same."""
    put = store.client.put_object
    for index in range(10):
        put(Bucket=store.bucket, Key=f"m/{index}.json", Body=b"{}")
        put(Bucket=store.bucket, Key=f"m/{index}.bin", Body=b"x")
    args = ("pull", f"s3://{store.bucket}/m", "--to", tmp_path / "m", "--include", "1*.json")

    def heads():
        found = [path for method, path in store.seen if method == "HEAD"]
        store.seen.clear()
        return found
    assert run(store, *args).returncode == 0
    assert heads() == [f"/{store.bucket}/m/1.json"]
    again = run(store, *args)
    assert again.returncode == 0 and "complete already" in again.stdout and heads() == [], "the list's ETags say it"
    put(Bucket=store.bucket, Key="m/1.json", Body=b"[]")
    changed = run(store, *args)
    assert changed.returncode == 0 and "complete already" not in changed.stdout, "the same size, another content"
    assert (tmp_path / "m/1.json").read_bytes() == b"[]" and len(heads()) == 1
    down = run(store, *args, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")
    assert down.returncode == 0 and "not checked for changes" in down.stdout


def test_push_goes_on_where_it_was(store, model, tmp_path):
    target = f"s3://{store.bucket}/r1"
    store.fail = staticmethod(lambda method, path, body: 500 if method == "PUT" and "partNumber=3" in path else None)
    flags = ["--part-size", "5Mi", "--retries", "0", "--connections", "1"]
    first = run(store, "push", model, target, *flags)
    assert first.returncode == 1 and "500" in first.stderr
    store.fail = None
    store.seen.clear()
    second = run(store, "push", model, target, *flags)
    assert second.returncode == 0 and "is taken up" in second.stderr
    sent = [path for method, path in store.seen if method == "PUT" and "partNumber" in path]
    assert not any("partNumber=1&" in path or "partNumber=2&" in path for path in sent) and len(sent) == 2
    assert run(store, "pull", target, "--to", tmp_path / "back").returncode == 0
    same(model, tmp_path / "back")


def test_a_refused_push_leaves_nothing(store, model):
    store.fail = staticmethod(lambda method, path, body: 403 if method == "PUT" and "partNumber=2" in path else None)
    result = run(store, "push", model, f"s3://{store.bucket}/r1", "--part-size", "5Mi")
    assert result.returncode == 1 and "403" in result.stderr
    assert any(method == "DELETE" and "uploadId" in path for method, path in store.seen)
    assert "Uploads" not in store.client.list_multipart_uploads(Bucket=store.bucket)


def test_errors_of_push(store, model, tmp_path):
    assert "no keys" in run(store, "push", model, f"s3://{store.bucket}/x", AWS_ACCESS_KEY_ID="").stderr
    assert run(store, "push", tmp_path / "nothing", f"s3://{store.bucket}/x").returncode == 1
    assert run(store, "push", model, "http://example.com/x").returncode == 2
