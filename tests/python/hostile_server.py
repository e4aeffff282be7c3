"""An HTTP server that keeps ranges of files and misbehaves on purpose, with the hubs' APIs over it.

Faults are drawn from a seeded generator for each request; what was sent is counted, so that a test can tell how much was
fetched twice. Nothing but the standard library.
"""
import email.utils
import hashlib
import json
import os
import random
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FAULTS = (
    "drop",  # the connection breaks in the middle of the body
    "throttle",  # 429 with Retry-After in seconds
    "throttle_date",  # 503 with Retry-After as a date
    "error",  # 500
    "whole",  # 200 and the whole file in answer to a range
    "wrong_range",  # 206 with other bytes than asked for
    "wrong_total",  # 206 with another size of the file
    "no_range_field",  # 206 that does not say what it is
    "short",  # fewer bytes than announced
    "long",  # more bytes than announced
    "silent",  # the head, then nothing
    "expired",  # 403 at the signed address
)


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Content:
    """A file on disk and its checksums."""

    def __init__(self, path):
        self.path = path
        self.size = os.path.getsize(path)
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        self.sha256 = digest.hexdigest()
        self.fd = os.open(path, os.O_RDONLY)


class HostileServer:
    """files: name to path. rates: fault to probability. Two origins: the hub, and the store it redirects to."""

    def __init__(self, files, rates=None, seed=1, redirect=True, token=None, corrupt=None, lfs_from=1024, rate=0, tls=None, retry_after=None, corrupt_breaks=False, most_in_a_row=0):
        self.files = {name: Content(path) for name, path in files.items()}
        self.rates = dict(rates or {})
        self.random = random.Random(seed)
        self.redirect = redirect
        self.token = token
        self.corrupt = corrupt  # (name, offset): this byte is wrong the first time it is sent
        self.corrupted = 0
        self.corrupt_breaks = corrupt_breaks  # the connection breaks after it
        self.lfs_from = lfs_from
        self.rate = rate  # bytes a second of each connection; 0: as fast as it goes
        self.tls = tls  # an SSL context for both origins
        self.retry_after = retry_after  # what "throttle" says; None: a second
        self.most_in_a_row = most_in_a_row  # after so many faults three answers are right: a hub's and its store's among them; 0: no bound
        self.in_a_row = 0
        self.etags = {}
        self.lock = threading.Lock()
        self.sent = {name: 0 for name in files}
        self.requests = 0
        self.counts = {}
        self.problems = []  # what a client must never do
        self.throttled_until = 0
        self.early = 0  # requests that came before they were allowed to
        self.store = _serve(self, True)
        self.hub = _serve(self, False)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.hub.server_address[1]}"
        self.store_url = f"{scheme}://127.0.0.1:{self.store.server_address[1]}"

    def stop(self):
        for server in (self.hub, self.store):
            server.shutdown()
            server.server_close()
        for content in self.files.values():
            os.close(content.fd)

    def draw(self):
        with self.lock:
            self.requests += 1
            value = self.random.random()
            if self.most_in_a_row and self.in_a_row >= self.most_in_a_row:
                self.in_a_row = (self.in_a_row + 1) % (self.most_in_a_row + 3)
                return None
            for fault in FAULTS:
                rate = self.rates.get(fault, 0)
                if value < rate:
                    self.counts[fault] = self.counts.get(fault, 0) + 1
                    self.in_a_row += 1
                    return fault
                value -= rate
            self.in_a_row = 0
        return None

    def pick(self, low, high):
        with self.lock:
            return self.random.randint(low, max(low, high))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None
    is_store = False

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        try:
            self.answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        path = urllib.parse.unquote(url.path)
        owner = self.owner
        if self.is_store:
            if "Authorization" in self.headers or "Cookie" in self.headers:
                owner.problems.append("a token was sent to the store")
            if query.get("sig") != ["secret"]:
                return self.reply(403)
            return self.file(path.removeprefix("/blob/"))
        if owner.token and self.headers.get("Authorization") != f"Bearer {owner.token}":
            return self.reply(401, b'{"error": "token please"}')
        if path.startswith("/api/v1/models/"):
            return self.modelscope(path, query)
        if path.startswith("/api/models/"):
            return self.hugging_face(path, query)
        name = path.split(f"/resolve/{COMMIT}/", 1)[-1] if "/resolve/" in path else path.removeprefix("/files/")
        if name not in owner.files:
            return self.reply(404, b'{"error": "Entry not found"}')
        if owner.redirect and "/resolve/" in path:
            location = f"{owner.store_url}/blob/{urllib.parse.quote(name)}?sig=secret&exp={time.time():.0f}"
            return self.reply(302, b"", [("Location", location), ("X-Repo-Commit", COMMIT)])
        return self.file(name)

    def hugging_face(self, path, query):
        if "/revision/" in path:
            if path.rsplit("/", 1)[-1] not in ("main", "v1", COMMIT):
                return self.reply(404, b'{"error": "Invalid rev id: nope"}')
            return self.reply(200, json.dumps({"sha": COMMIT}).encode())
        entries = []
        for name, content in self.owner.files.items():
            entry = {"type": "file", "path": name, "size": content.size}
            if content.size >= self.owner.lfs_from:
                entry |= {"oid": "f" * 40, "lfs": {"oid": content.sha256, "size": content.size, "pointerSize": 134}}
            else:
                entry["oid"] = git_sha1(os.pread(content.fd, content.size, 0))
            entries.append(entry)
        entries.insert(0, {"type": "directory", "path": "sub", "size": 0, "oid": "0" * 40})
        # Two to a page.
        page = int(query.get("cursor", ["0"])[0])
        headers = []
        if page + 2 < len(entries):
            next_url = f"{self.owner.url}{urllib.parse.urlsplit(self.path).path}?recursive=true&cursor={page + 2}"
            headers.append(("Link", f'<{next_url}>; rel="next"'))
        self.reply(200, json.dumps(entries[page : page + 2]).encode(), headers)

    def modelscope(self, path, query):
        if path.endswith("/repo/files"):
            files = [
                {"Name": name.rsplit("/", 1)[-1], "Path": name, "Size": content.size, "Sha256": content.sha256, "Type": "blob"}
                for name, content in self.owner.files.items()
            ]
            files.append({"Name": "sub", "Path": "sub", "Type": "tree", "Size": 0, "Sha256": ""})
            return self.reply(200, json.dumps({"Code": 200, "Data": {"Files": files}}).encode())
        name = query["FilePath"][0]
        if name not in self.owner.files:
            return self.reply(404)
        self.file(name)

    def file(self, name):
        owner = self.owner
        content = owner.files.get(name)
        if content is None:
            return self.reply(404)
        with owner.lock:
            if time.time() < owner.throttled_until - 1.2:
                owner.early += 1
        fault = owner.draw()
        if fault in ("throttle", "throttle_date", "error", "expired"):
            return self.refuse(fault)
        begin, end, ranged = 0, content.size, False
        text = self.headers.get("Range", "")
        condition = self.headers.get("If-Range")
        etag = owner.etags.get(name, f'"{content.sha256}"')
        if text.startswith("bytes=") and fault != "whole" and (condition is None or condition == etag):
            first, last = text[6:].split("-")
            begin, end, ranged = int(first), min(content.size, int(last) + 1), True
            if begin >= content.size:
                return self.reply(416, b"", [("Content-Range", f"bytes */{content.size}")])
        self.send_file(name, content, begin, end, ranged, fault, etag)

    def refuse(self, fault):
        if fault == "error":
            return self.reply(500, b"oops")
        if fault == "expired":
            return self.reply(403, b"<Error><Code>AccessDenied</Code></Error>") if self.is_store else self.reply(500)
        with self.owner.lock:
            self.owner.throttled_until = max(self.owner.throttled_until, time.time() + 1)
        if fault == "throttle":
            return self.reply(429, b"", [("Retry-After", self.owner.retry_after or "1")])
        self.reply(503, b"", [("Retry-After", email.utils.formatdate(time.time() + 2, usegmt=True))])

    def send_file(self, name, content, begin, end, ranged, fault, etag):
        owner = self.owner
        shown_begin, shown_end, total = begin, end, content.size
        if fault == "wrong_range" and ranged:
            shift = min(4096, begin)
            begin, end = begin - shift, end - shift
            shown_begin, shown_end = begin, end
        if fault == "wrong_total":
            total += 17
        self.send_response(206 if ranged else 200)
        length = end - begin
        announced = max(1, length - 1000) if fault == "long" else length
        self.send_header("Content-Length", str(announced))
        self.send_header("ETag", etag)
        if ranged and fault != "no_range_field":
            self.send_header("Content-Range", f"bytes {shown_begin}-{shown_end - 1}/{total}")
        self.end_headers()
        if self.command == "HEAD":
            return
        stop = length
        if fault == "drop":
            stop = owner.pick(0, length)
        if fault == "short":
            stop = max(0, length - owner.pick(1, 5000))
        if fault == "silent":
            self.wfile.flush()
            time.sleep(3)
            stop = 0
        self.send_bytes(name, content, begin, begin + stop)
        if stop < length or fault == "long":
            self.close_connection = True
            if fault == "drop":
                # A reset, not an orderly end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def send_bytes(self, name, content, at, end):
        owner = self.owner
        self.wfile.flush()
        while at < end:
            count = min(end - at, 256 << 10)
            bad = False
            if owner.corrupt and owner.corrupt[0] == name and at <= owner.corrupt[1] < at + count:
                with owner.lock:
                    bad = owner.corrupted == 0
                    owner.corrupted += bad
            if bad:
                data = bytearray(os.pread(content.fd, count, at))
                data[owner.corrupt[1] - at] ^= 0x40
                self.connection.sendall(data)
                sent = count
                if owner.corrupt_breaks:
                    end = at + count
                    self.close_connection = True
            elif owner.tls:
                self.connection.sendall(os.pread(content.fd, count, at))
                sent = count
            else:
                sent = os.sendfile(self.connection.fileno(), content.fd, at, count)
            at += sent
            with owner.lock:
                owner.sent[name] += sent
            if owner.rate:
                time.sleep(sent / owner.rate)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    tls = None

    def finish_request(self, request, client_address):
        # In the connection's own thread: a client that refuses the certificate holds nobody up.
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # clients that were killed


def _serve(owner, is_store):
    handler = type("Handler", (_Handler,), {"owner": owner, "is_store": is_store})
    server = _Server(("127.0.0.1", 0), handler)
    server.tls = owner.tls
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
