"""`hadal chat` as a user has it: on a terminal of its own, through a pipe, and with errors, against a server without a
model.
"""
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import fcntl
import http.server
import pytest
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", str(ROOT / "build/release"))) / "hadal"
KEY = "sk-test"
WAIT = 30

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the program is not built")

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\a")


def clean_env(**more):
    """No HADAL_ settings and, as in a bare container, no locale."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HADAL_", "LC_", "LANG"))}
    return {**env, "TERM": "xterm", **more}


class Terminal:
    """The program with a pseudo-terminal for its input and output."""

    def __init__(self, *arguments, under=(), **env):
        """under: a command that runs the program."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.process = subprocess.Popen(
            [*under, str(PROGRAM), "chat", *arguments],
            stdin=child,
            stdout=child,
            stderr=child,
            env=clean_env(**env),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)
        self.fd = parent
        self.raw = ""
        self.seen = 0  # of raw

    def read_more(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)

    def expect(self, pattern):
        """Waits for the pattern in what came since the last one, escapes left out; returns that text."""
        end = time.time() + WAIT
        while time.time() < end:
            text = ESCAPES.sub("", self.raw[self.seen :])
            if re.search(pattern, text):
                self.seen = len(self.raw)
                return text
            if not self.read_more(0.2) and self.process.poll() is not None and not self.read_more(0):
                break
        raise AssertionError(f"no {pattern!r} in {self.raw[self.seen:]!r}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def ask(self, text):
        self.type(text + "\r")

    def wait(self):
        end = time.time() + WAIT
        while self.process.poll() is None and time.time() < end:
            self.read_more(0.05)
        while self.read_more(0):
            pass
        return self.process.wait(timeout=1)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.fd)


@pytest.fixture
def terminal():
    made = []

    def make(*arguments, **env):
        made.append(Terminal(*arguments, **env))
        return made[-1]

    yield make
    for one in made:
        one.close()


def saved(path):
    return json.loads(path.read_text())


def run(*arguments, stdin=b"", env=None):
    return subprocess.run(
        [str(PROGRAM), *arguments], input=stdin, capture_output=True, env=clean_env(**(env or {})), timeout=WAIT
    )


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LANG": "C.UTF-8"}, {"LANG": "no_SUCH.UTF-8"}])
def test_text_beyond_ascii_is_typed_and_sent(server, terminal, tmp_path, locale):
    t = terminal(server.url, "--api-key", KEY, **locale)
    t.expect(r"Talking to dummy at .*\n> $")
    question = "föö 漢字 🙂 Ω"
    t.ask(question)
    # Echoed as typed, and answered in UTF-8.
    text = t.expect(r"tokens/s.*\n> $")
    assert question in text and "föx" in text
    path = tmp_path / "c.json"
    t.ask(f"/save {path}")
    t.expect("Saved 2 messages")
    assert saved(path)[0] == {"role": "user", "content": question}


def test_editing_in_utf8_and_history(server, terminal, tmp_path):
    t = terminal(server.url, "--api-key", KEY)
    t.expect("> $")
    t.ask("one é")
    t.expect(r"tokens/s.*\n> $")
    # Backspace takes a whole character, the left arrow moves over one, Ctrl-W takes a word.
    t.ask("waste \x17xé漢\x7fz\x1b[Dy")
    t.expect(r"tokens/s.*\n> $")
    # Twice up: the first question again.
    t.ask("\x1b[A\x1b[A")
    t.expect(r"tokens/s.*\n> $")
    path = tmp_path / "c.json"
    t.ask(f"/save {path}")
    t.expect("Saved 6 messages")
    assert [m["content"] for m in saved(path) if m["role"] == "user"] == ["one é", "xéyz", "one é"]


def test_bytes_that_are_no_utf8_are_replaced(server, terminal, tmp_path):
    t = terminal(server.url, "--api-key", KEY)
    t.expect("> $")
    os.write(t.fd, b"a\xff\xe6\xbc\r")
    t.expect(r"tokens/s.*\n> $")
    path = tmp_path / "c.json"
    t.ask(f"/save {path}")
    t.expect("Saved 2 messages")
    assert saved(path)[0]["content"] == "a\ufffd\ufffd"


def test_commands(server, terminal, tmp_path):
    t = terminal(server.url, "--api-key", KEY, "--system", "be brief")
    t.expect("> $")
    t.ask("one")
    t.expect(r"tokens/s.*\n> $")
    path = tmp_path / "c.json"
    t.ask(f"/save {path}")
    t.expect(r"Saved 3 messages.*\n> $")
    t.ask("/reset")
    t.expect(r"The conversation is empty.\n> $")
    other = tmp_path / "other.json"
    other.write_text("mine")
    t.ask(f"/save {other}")
    t.expect(r"is there already.*\n> $")
    assert other.read_text() == "mine"
    t.ask(f"/load {path}")
    t.expect(r"Loaded 3 messages.*\n> $")
    t.ask("two\\")
    t.expect(r"\. $")
    t.ask("three")
    t.expect(r"tokens/s.*\n> $")
    t.ask("/save")
    t.expect(r"Saved 5 messages.*\n> $")
    assert [m["role"] for m in saved(path)] == ["system", "user", "assistant", "user", "assistant"]
    assert saved(path)[3]["content"] == "two\nthree"
    t.ask("/help")
    t.expect(r"/reset[\s\S]*/load[\s\S]*\n> $")
    t.ask("/exit")
    assert t.wait() == 0


def test_ctrl_c_stops_the_answer_and_the_chat_goes_on(slow_server, terminal):
    t = terminal(slow_server.url)
    t.expect("> $")
    for question in ("first", "second"):
        t.ask(question)
        t.expect("quick brown")
        t.type("\x03")
        t.expect(r"\(stopped\)\n[\s\S]*> $")
    # At the prompt it drops the line.
    t.type("half a line\x03")
    t.expect(r"\(Ctrl-D or /exit ends\)\n> $")
    t.type("\x04")
    assert t.wait() == 0


def test_ctrl_d_ends(server, terminal):
    t = terminal(server.url, "--api-key", KEY)
    t.expect("> $")
    t.type("\x04")
    assert t.wait() == 0


def test_reasoning_is_dimmed(reasoning_server, terminal):
    t = terminal(reasoning_server.url)
    t.expect("> $")
    t.ask("why?")
    t.expect(r"tokens/s.*\n> $")
    dimmed, plain = re.search(r"\x1b\[2m(The quick brown )[\r\n]+\x1b\[0m(.*)", t.raw).groups()
    assert "\x1b" not in dimmed and plain.startswith("föx")
    hidden = terminal(reasoning_server.url, "--hide-reasoning", "-p", "why?")
    assert hidden.wait() == 0
    assert "quick" not in hidden.raw and "föx" in hidden.raw


def silent_server():
    """Takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_ctrl_c_ends_a_connect_that_hangs(terminal):
    listener, url = silent_server()
    with listener:
        t = terminal(url)
        # Held: a connection that nothing refers to is closed at once, and the program ends by itself with 1.
        connection, _ = listener.accept()
        with connection:
            t.type("\x03")
            assert t.wait() == 130


class LoadingServer:
    """Says that it loads, then answers. refusals: how often each path says so."""

    def __init__(self, refusals, startup=True):
        self.refusals = dict(refusals)
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def send(self, status, body, kind="application/json"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def loading(self):
                left = outer.refusals.get(self.path, 0)
                outer.refusals[self.path] = left - 1
                return left > 0

            def do_GET(self):
                outer.asked.append(self.path)
                if self.path == "/startupz":
                    if not startup:
                        return self.send(404, b"{}")
                    busy = any(left > 0 for left in outer.refusals.values())
                    return self.send(503 if busy else 200, b'{"status":"starting","progress":0.42}')
                if self.loading():
                    return self.send(503, b'{"error":{"message":"The model is still being loaded."}}')
                return self.send(200, b'{"data":[{"id":"late"}]}')

            def do_POST(self):
                outer.asked.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                if self.loading():
                    return self.send(503, b'{"error":{"message":"The model is still being loaded."}}')
                chunk = json.dumps({"choices": [{"delta": {"content": "here at last"}}]})
                self.send(200, f"data: {chunk}\n\ndata: [DONE]\n\n".encode(), "text/event-stream")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


MODELS, CHAT = "/v1/models", "/v1/chat/completions"


@pytest.mark.parametrize("startup", [True, False], ids=["with /startupz", "without"])
def test_a_server_that_loads_is_waited_for(terminal, startup):
    with LoadingServer({MODELS: 3}, startup) as loading:
        t = terminal(loading.url, "--load-timeout", "300")
        wanted = r"waiting for the model to load\.\.\. " + ("42%, " if startup else "") + "5 min at the most"
        assert "Talking" not in t.expect(wanted)
        t.expect(r"Talking to late at .*\n> $")
        t.ask("there?")
        t.expect(r"here at last[\s\S]*> $")
        assert loading.asked.count(MODELS) == 4


def test_a_server_that_loads_again_between_answers_is_waited_for(terminal):
    with LoadingServer({CHAT: 2}) as loading:
        t = terminal(loading.url)
        t.expect("> $")
        t.ask("there?")
        t.expect(r"waiting for the model to load\.\.\. 42%")
        t.expect(r"here at last[\s\S]*> $")
        assert loading.asked.count(CHAT) == 3
        # Ctrl-C ends the wait and not the chat.
        loading.refusals[CHAT] = 1 << 30
        t.ask("and now?")
        t.expect("waiting for the model to load")
        t.type("\x03")
        t.expect(r"\(stopped\)\n[\s\S]*> $")


def test_waiting_for_a_server_has_a_limit():
    with LoadingServer({MODELS: 1 << 30}) as loading:
        for limit in ("0", "1"):
            done = run("chat", loading.url, "-p", "x", "--load-timeout", limit)
            lines = done.stderr.decode().splitlines()
            assert done.returncode == 1
            # One line where the notes go to a file.
            assert len(lines) == 1 + int(limit), lines
            assert "still being loaded" in lines[-1] and "--load-timeout" in lines[-1]


def test_ctrl_c_ends_the_wait_for_a_server_that_loads(terminal):
    with LoadingServer({MODELS: 1 << 30}) as loading:
        t = terminal(loading.url)
        t.expect("waiting for the model to load")
        t.type("\x03")
        assert t.wait() == 130


def test_a_real_server_that_loads_is_waited_for(terminal, tmp_path):
    # A pipe that nobody writes: the load waits for good.
    os.mkfifo(tmp_path / "m.gguf")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serving = subprocess.Popen(
        [str(PROGRAM), "serve", str(tmp_path / "m.gguf"), "--port", str(port), "--log-level", "off"], env=clean_env()
    )
    try:
        for _ in range(WAIT * 10):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        t = terminal(f"http://127.0.0.1:{port}")
        t.expect("waiting for the model to load")
        t.type("\x03")
        assert t.wait() == 130
    finally:
        serving.kill()
        serving.wait()


# A shell that knows one job: says how the job leaves the terminal when it stops, and continues it on any line.
SHELL = """
import os, signal, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
saved = termios.tcgetattr(0)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    status = os.waitpid(job, os.WUNTRACED)[1]
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
    mode = termios.tcgetattr(0)[3]
    termios.tcsetattr(0, termios.TCSADRAIN, saved)
    print("job", job, "stopped:", "normal" if mode == saved[3] else "not normal", flush=True)
    sys.stdin.readline()
    os.tcsetpgrp(0, job)
    os.kill(job, signal.SIGCONT)
"""


def test_ctrl_z_leaves_the_terminal_as_it_was_and_the_line_comes_back(server, terminal, tmp_path):
    t = terminal(server.url, "--api-key", KEY, under=(sys.executable, "-c", SHELL))
    t.expect("> $")
    raw = termios.tcgetattr(t.fd)
    t.type("half a li")
    t.expect("half a li$")  # the terminal drops what is not read yet when Ctrl-Z comes
    for _ in range(2):
        t.type("\x1a")
        t.expect(r"job \d+ stopped: normal\n$")
        t.type("fg\n")
        t.expect("> half a li$")
        assert termios.tcgetattr(t.fd)[3] == raw[3]
    # Stopped from elsewhere: the terminal stays as it is, and is set anew all the same.
    t.type("\x1a")
    job = int(re.search(r"job (\d+) stopped: normal\n$", t.expect(r"job \d+ stopped: normal\n$"))[1])
    t.type("fg\n")
    t.expect("> half a li$")
    os.kill(job, signal.SIGSTOP)
    t.expect(r"job \d+ stopped: not normal\n$")
    t.type("fg\n")
    t.expect("> half a li$")
    assert termios.tcgetattr(t.fd)[3] == raw[3]
    # Editing goes on where it was.
    t.type("\x7fine\r")
    t.expect(r"tokens/s.*\n> $")
    path = tmp_path / "c.json"
    t.ask(f"/save {path}")
    t.expect("Saved 2 messages")
    assert saved(path)[0]["content"] == "half a line"
    # Ctrl-C still drops the line.
    t.type("more\x03")
    t.expect(r"\(Ctrl-D or /exit ends\)\n> $")
    t.type("\x04")
    assert t.wait() == 0


def test_ctrl_z_during_an_answer(slow_server, terminal):
    t = terminal(slow_server.url, under=(sys.executable, "-c", SHELL))
    t.expect("> $")
    t.ask("go on")
    t.expect("quick brown")
    t.type("\x1a")
    t.expect(r"job \d+ stopped: normal\n$")
    t.type("fg\n")
    t.expect("quick brown")
    t.type("\x03")
    t.expect(r"\(stopped\)\n[\s\S]*> $")


def test_ctrl_z_of_a_session_that_nobody_can_continue_does_nothing(server, terminal):
    t = terminal(server.url, "--api-key", KEY)
    t.expect("> $")
    t.type("one")
    t.expect("one$")
    t.type("\x1a")
    t.type(" two")
    t.expect("two$")
    t.type("\r")
    t.expect(r"tokens/s.*\n> $")
    t.type("\x1b[A")
    t.expect("one two$")


def test_ctrl_c_ends_a_model_load(terminal, tmp_path):
    # A pipe that nobody writes: the load waits for good.
    os.mkfifo(tmp_path / "m.gguf")
    t = terminal(str(tmp_path / "m.gguf"))
    time.sleep(0.3)
    assert t.process.poll() is None
    t.type("\x03")
    assert t.wait() == 130


def test_ctrl_c_without_a_terminal(slow_server):
    process = subprocess.Popen(
        [str(PROGRAM), "chat", slow_server.url, "-p", "x"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_env(),
    )
    assert process.stdout.read(4)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=WAIT) == 130


def test_sigterm_ends_and_restores_the_terminal(slow_server, terminal):
    t = terminal(slow_server.url)
    before = termios.tcgetattr(t.fd)
    t.expect("> $")
    assert termios.tcgetattr(t.fd) != before
    t.process.send_signal(signal.SIGTERM)
    assert t.wait() == 143
    assert termios.tcgetattr(t.fd)[3] == before[3]


def test_a_pipe_is_asked_once(server, reasoning_server):
    done = run("chat", server.url, "--api-key", KEY, stdin="/what?\nföö\n".encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "The quick brown föx jumps over the lazy dog. \n"
    done = run("chat", reasoning_server.url, "-p", "why?")
    assert done.returncode == 0
    assert done.stdout.decode() == "föx jumps over \n"
    assert done.stderr.decode().strip() == "The quick brown"


def test_errors_are_on_stderr(server, failing_server):
    for arguments, text in [
        ((server.url,), "--api-key KEY or HADAL_CHAT_API_KEY"),
        ((server.url, "--api-key", "wrong"), "--api-key KEY or HADAL_CHAT_API_KEY"),
        (("http://127.0.0.1:1",), "http://127.0.0.1:1"),
        (("127.0.0.1:1",), "127.0.0.1:1"),
        (("/no/model",), "/no/model"),
        ((failing_server.url, "-p", "x"), "told to fail"),
    ]:
        done = run("chat", *arguments, stdin=b"x")
        assert done.returncode == 1, arguments
        assert text in done.stderr.decode(), done.stderr
        assert b"Talking" not in done.stdout
    done = run("chat", server.url, "--api-key", KEY, stdin=b"")
    assert done.returncode == 1 and b"empty" in done.stderr


def test_tls(tmp_path):
    cert, key = str(tmp_path / "c.pem"), str(tmp_path / "k.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    from conftest import DummyServer

    secure = DummyServer("--answer-tokens", "9", "--tls-cert", cert, "--tls-key", key)
    url = secure.url.replace("http:", "https:")
    try:
        refused = run("chat", url, "-p", "x")
        assert refused.returncode == 1 and b"ertificate" in refused.stderr
        assert b"--tls-ca-file" in refused.stderr
        assert run("chat", url, "-p", "x", "--tls-ca-file", cert).returncode == 0
        assert run("chat", url, "-p", "x", "--insecure").returncode == 0
    finally:
        secure.stop()


def test_notes_show_whatever_the_log_level(server):
    done = run(
        *("chat", server.url, "--api-key", KEY, "-p", "x", "--mem-fraction-static", "0.9", "--log-level", "off"),
        env={"HADAL_CONTEXT_LENGHT": "100", "HADAL_PORT": "tcp://10.0.0.1:30000"},
    )
    assert done.returncode == 0
    notes = done.stderr.decode()
    assert "--mem-fraction-static is not needed" in notes
    assert "did you mean HADAL_CONTEXT_LENGTH?" in notes
    assert "service link" in notes
