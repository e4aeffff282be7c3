"""hadal pull behind proxies and TLS, and against servers that hold it up or lead it astray."""
import base64
import datetime
import email.utils
import ipaddress
import json
import select
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hostile_server import COMMIT
from pull_tools import TOKEN, WANTED, command, content, environment, hf, needs_program, run, same, start, start_seed  # noqa: F401

pytestmark = needs_program

PROXY_SECRET = "proxy-secret-98765"
SMALL = ("--include", "config.json")


def certificate(folder, name, issuer=None, names=("127.0.0.1",), days=(-1, 1)):
    """Writes NAME.pem and NAME.key; returns what signs others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.timezone.utc)
    alternatives = []
    for text in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            alternatives.append(x509.DNSName(text))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return subject, key


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A company's CA, and server contexts by name."""
    folder = tmp_path_factory.mktemp("tls")
    ca = certificate(folder, "ca", names=("ca.example",))
    certificate(folder, "good", ca)
    certificate(folder, "expired", ca, days=(-9, -2))
    certificate(folder, "other", ca, names=("other.example",))
    contexts = {}
    for name in ("good", "expired", "other"):
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    contexts["ca"] = str(folder / "ca.pem")
    return contexts


def small_server(answer):
    """answer(handler) for each GET."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def reply(self, status, body=b"", headers=()):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    return server


@pytest.fixture
def serve():
    servers = []

    def make(answer):
        servers.append(small_server(answer))
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_certificate_of_a_company(content, start, tmp_path, tls):
    server = start(content, tls=tls["good"], token=TOKEN)
    for reference in ("hf:org/name", f"{server.url}/files/config.json"):
        refused = run(reference, "--to", tmp_path / "m", env=hf(server))
        assert refused.returncode == 1 and "certificate" in refused.stderr
        assert "--ca-file" in refused.stderr and "SSL_CERT_FILE" in refused.stderr
    # Nothing was tried again: nothing would be another time.
    assert server.requests == 0
    for count, (flags, more) in enumerate(
        [(["--ca-file", tls["ca"]], {}), ([], {"SSL_CERT_FILE": tls["ca"]}), ([], {"CURL_CA_BUNDLE": tls["ca"]}), ([], {"REQUESTS_CA_BUNDLE": tls["ca"]})]
    ):
        assert run("hf:org/name", "--to", tmp_path / str(count), *flags, env=hf(server) | more).returncode == 0
        same(content, tmp_path / str(count), WANTED)
    assert run("hf:org/name", "--to", tmp_path / "insecure", "--insecure", *SMALL, env=hf(server)).returncode == 0
    missing = run("hf:org/name", "--to", tmp_path / "n", env=hf(server) | {"SSL_CERT_FILE": "/nonexistent.pem"})
    assert missing.returncode == 1 and "/nonexistent.pem" in missing.stderr and "cannot be read" in missing.stderr
    assert server.problems == []


@pytest.mark.parametrize("name, words", [("expired", "not valid now"), ("other", "another name")])
def test_certificates_that_are_wrong(content, start, tmp_path, tls, name, words):
    server = start(content, tls=tls[name])
    for reference in ("hf:org/name", f"{server.url}/files/config.json"):
        result = run(reference, "--to", tmp_path / "m", "--ca-file", tls["ca"], env=hf(server))
        assert result.returncode == 1 and words in result.stderr, result.stderr
    assert server.requests == 0


class Proxy:
    """CONNECT and plain requests, with a password. seen: what was asked for."""

    def __init__(self, password=PROXY_SECRET):
        self.wanted = "Basic " + base64.b64encode(f"user:{password}".encode()).decode() if password else None
        self.seen = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://user:{password}@127.0.0.1:{self.port}" if password else f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = client.recv(65536)
                    if not data:
                        return
                    head += data
                line, _, fields = head.decode("latin-1").partition("\r\n")
                method, target, _ = line.split(" ")
                self.seen.append(f"{method} {target}")
                lines = [f for f in fields.split("\r\n") if f]
                given = [f.split(": ", 1)[1] for f in lines if f.lower().startswith("proxy-authorization: ")]
                if self.wanted and given != [self.wanted]:
                    client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    return
                if method == "CONNECT":
                    host, port = target.rsplit(":", 1)
                    onward = socket.create_connection((host, int(port)))
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    url = urllib.parse.urlsplit(target)
                    onward = socket.create_connection((url.hostname, url.port or 80))
                    path = url.path + ("?" + url.query if url.query else "")
                    kept = [f for f in lines if not f.lower().startswith(("proxy-", "connection:"))]
                    onward.sendall(("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close"]) + "\r\n\r\n").encode("latin-1"))
                with onward:
                    self.pump(client, onward)
        except OSError:
            pass

    @staticmethod
    def pump(a, b):
        while True:
            for ready in select.select([a, b], [], [])[0]:
                data = ready.recv(1 << 16)
                if not data:
                    return
                (b if ready is a else a).sendall(data)

    def stop(self):
        self.socket.close()


@pytest.fixture
def proxy():
    made = Proxy()
    yield made
    made.stop()


def no_secrets(result, folder):
    """Neither in what was printed nor in any file (marker, journal, parts)."""
    secrets = (TOKEN, PROXY_SECRET, base64.b64encode(f"user:{PROXY_SECRET}".encode()).decode(), "sig=secret")
    files = [p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink()]
    for secret in secrets:
        assert secret not in result.stdout + result.stderr
        assert not any(secret.encode() in data for data in files), secret


def test_proxies_by_variable(content, start, tmp_path, tls, proxy):
    plain, secure = start(content, token=TOKEN), start(content, token=TOKEN, tls=tls["good"])
    cases = [
        (plain, "http_proxy", "GET http://127.0.0.1"),
        (plain, "HTTP_PROXY", "GET http://127.0.0.1"),
        (plain, "all_proxy", "GET http://127.0.0.1"),
        (secure, "https_proxy", "CONNECT 127.0.0.1"),
        (secure, "HTTPS_PROXY", "CONNECT 127.0.0.1"),
    ]
    for count, (server, name, request) in enumerate(cases):
        proxy.seen.clear()
        env = hf(server) | {name: proxy.url, "SSL_CERT_FILE": tls["ca"]}
        folder = tmp_path / str(count)
        result = run("hf:org/name", "--to", folder, "--log-level", "debug", env=env)
        assert result.returncode == 0
        same(content, folder, WANTED)
        assert proxy.seen and all(seen.startswith(request) for seen in proxy.seen), proxy.seen
        no_secrets(result, folder)
        assert server.problems == []
        # Not for those that are to be asked directly.
        for more in ({"no_proxy": "example.com,127.0.0.1"}, {"NO_PROXY": "127.0.0.1"}):
            proxy.seen.clear()
            assert run("hf:org/name", "--to", folder / "x", *SMALL, env=env | more).returncode == 0
            assert proxy.seen == []
        assert run("hf:org/name", "--to", folder / "x", "--proxy", "none", *SMALL, env=env).returncode == 0
        assert proxy.seen == []


def test_peers_are_asked_directly(content, start, tmp_path, proxy):
    server = start(content)
    assert run("hf:org/name", "--to", tmp_path / "m", env=hf(server)).returncode == 0
    seed, url = start_seed("--to", tmp_path / "m")
    try:
        result = run("hf:org/name", "--to", tmp_path / "n", "--seed-from", url, env=hf(server) | {"http_proxy": proxy.url})
        assert result.returncode == 0 and "from peers" in result.stdout
        assert proxy.seen and not any("/v1/" in seen for seen in proxy.seen)
        same(content, tmp_path / "n", WANTED)
    finally:
        seed.terminate()
        assert seed.wait(timeout=20) == 0


def test_a_proxy_by_flag(content, start, tmp_path, tls, proxy):
    server = start(content, token=TOKEN, tls=tls["good"])
    result = run("hf:org/name", "--to", tmp_path / "m", "--proxy", proxy.url, "--ca-file", tls["ca"], "--log-level", "debug", env=hf(server))
    assert result.returncode == 0 and proxy.seen
    no_secrets(result, tmp_path)


def test_proxies_that_refuse(content, start, tmp_path, tls, proxy):
    plain, secure = start(content), start(content, tls=tls["good"])
    wrong = f"http://user:not-{PROXY_SECRET}@127.0.0.1:{proxy.port}"
    for server, name in ((plain, "http_proxy"), (secure, "https_proxy")):
        for reference in ("hf:org/name", f"{server.url}/files/config.json"):
            proxy.seen.clear()
            env = hf(server) | {name: wrong, "SSL_CERT_FILE": tls["ca"]}
            result = run(reference, "--to", tmp_path / "m", "--log-level", "debug", env=env)
            assert result.returncode == 1 and "407" in result.stderr and len(proxy.seen) < 3
            assert PROXY_SECRET not in result.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = free.getsockname()[1]
    result = run(
        "hf:org/name", "--to", tmp_path / "m", "--retries", 0, env=hf(secure) | {"https_proxy": f"http://user:{PROXY_SECRET}@127.0.0.1:{dead}"}
    )
    # The address that does not answer is the proxy's.
    assert result.returncode == 1 and str(dead) in result.stderr and PROXY_SECRET not in result.stderr


def test_tokens_appear_nowhere(content, start, tmp_path):
    """At the highest log level, whole and killed, with failures that are reported."""
    server = start(content, token=TOKEN, rates={"error": 0.1, "expired": 0.1, "drop": 0.1, "throttle": 0.02}, rate=3_000_000)
    (tmp_path / "token").write_text(TOKEN + "\n")
    args = ("hf:org/name", "--to", tmp_path / "m", "--log-level", "debug", "--part-size", "256Ki", "--retries", 20, "--token-file", tmp_path / "token")
    env = environment(HF_ENDPOINT=server.url)
    killed = subprocess.Popen(command(*args), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(1.2)
    killed.kill()
    killed.stdout, killed.stderr, output = "", "", killed.stdout.read()
    assert TOKEN not in output and "sig=secret" not in output
    (tmp_path / "token").rename(tmp_path.parent / f"{tmp_path.name}.token")
    journal = tmp_path / "m/.hadal-pull/journal"
    assert journal.exists()
    no_secrets(killed, tmp_path)
    server.rate = 0
    (tmp_path.parent / f"{tmp_path.name}.token").rename(tmp_path / "token")
    result = run(*args, env=env)
    (tmp_path / "token").unlink()
    assert result.returncode == 0 and "a request failed" in result.stderr
    no_secrets(result, tmp_path)
    assert "token" not in (tmp_path / "m/.hadal-model.json").read_text()


def test_tokens_stay_at_home(content, start, serve, tmp_path, tls):
    """Lists and files that lead elsewhere: to another port, and from https to http."""
    stolen = []

    def thief(handler):
        stolen.append({name.lower(): value for name, value in handler.headers.items()})
        if "/api/" in handler.path:
            return handler.reply(200, json.dumps({"sha": COMMIT, "Code": 200, "Data": {"Files": []}}).encode())
        handler.reply(404)

    other = serve(thief)
    away = serve(lambda handler: handler.reply(302, b"", [("Location", other.url + handler.path)]))
    for reference, more in (
        ("hf:org/name", {"HF_ENDPOINT": away.url, "HF_TOKEN": TOKEN}),
        ("ms:org/name", {"MODELSCOPE_ENDPOINT": away.url, "MODELSCOPE_API_TOKEN": TOKEN}),
        (f"http://user:{TOKEN}@{away.url.removeprefix('http://')}/x.gguf", {}),
    ):
        stolen.clear()
        assert run(reference, "--to", tmp_path / "m", "--retries", 0, env=environment(**more)).returncode != 0
        assert stolen and not any({"authorization", "cookie"} & set(fields) for fields in stolen), stolen
    server = start({"config.json": content["config.json"]}, tls=tls["good"], token=TOKEN, lfs_from=1)
    server.store_url = other.url
    stolen.clear()
    result = run("hf:org/name", "--to", tmp_path / "m", "--ca-file", tls["ca"], env=hf(server))
    assert result.returncode != 0 and "plain http" in result.stderr and stolen == []


def test_redirects_without_end(content, start, serve, tmp_path):
    count = [0]

    def loop(handler):
        count[0] += 1
        handler.reply(302, b"", [("Location", handler.path + "x")])

    server = serve(loop)
    for reference in (f"{server.url}/x.gguf", "hf:org/name"):
        count[0] = 0
        result = run(reference, "--to", tmp_path / "m", "--retries", 1, env=environment(HF_ENDPOINT=server.url))
        assert result.returncode == 1 and "redirect" in result.stderr.lower() and count[0] < 40, result.stderr
    hub = start({"config.json": content["config.json"]})
    hub.store_url = server.url
    count[0] = 0
    result = run("hf:org/name", "--to", tmp_path / "m", "--retries", 1, env=hf(hub))
    assert result.returncode == 1 and "redirects more than 10 times" in result.stderr and count[0] < 40


def test_servers_that_never_end(serve, tmp_path):
    """One that takes the connection and says nothing, one that says a byte now and then, one whose head has no end."""
    silent = socket.create_server(("127.0.0.1", 0))

    def trickle(handler):
        handler.send_response(206)
        handler.send_header("Content-Length", "1000000")
        handler.send_header("Content-Range", "bytes 0-999999/1000000")
        handler.end_headers()
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.05)

    def trickled_list(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)

    def endless_head(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")

    flags = ("--retries", 0, "--read-timeout", 1, "--connect-timeout", 2)
    nothing = f"http://127.0.0.1:{silent.getsockname()[1]}"
    tries = [(f"{serve(trickle).url}/x.gguf", ""), (f"{nothing}/x.gguf", ""), (f"{serve(endless_head).url}/x.gguf", "")]
    tries += [("hf:org/name", url) for url in (nothing, serve(trickled_list).url, serve(endless_head).url)]
    processes = []
    for index, (reference, endpoint) in enumerate(tries):
        env = environment(HF_ENDPOINT=endpoint) if endpoint else environment()
        processes.append(subprocess.Popen(command(reference, "--to", tmp_path / str(index), *flags), env=env, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and "127.0.0.1" in err, err
    silent.close()


def test_retry_after(content, start, tmp_path):
    """In seconds and as a date; one that asks for too much ends the pull with its words."""
    name = "config.json"
    far = email.utils.formatdate(time.time() + 90_000, usegmt=True)
    for text, shown in (("3600", "3600 seconds"), ("99999999999999999999", "31536000 seconds"), (far, " seconds")):
        server = start({name: content[name]}, rates={"throttle": 1.0}, retry_after=text, lfs_from=1)
        result = run("hf:org/name", "--to", tmp_path / "m", env=hf(server))
        assert result.returncode == 1 and "429" in result.stderr and "come back in" in result.stderr and shown in result.stderr
        assert server.requests == 1
    for text in ("0", "-7", "1.5", "soon", "", email.utils.formatdate(time.time() - 1000, usegmt=True)):
        server = start({name: content[name]}, rates={"throttle": 0.5}, retry_after=text, lfs_from=1, seed=2)
        assert run("hf:org/name", "--to", tmp_path / "n", "--retries", 20, env=hf(server)).returncode == 0
        same(content, tmp_path / "n", {name})
        for path in (tmp_path / "n").rglob("*"):
            if path.is_file():
                path.unlink()
