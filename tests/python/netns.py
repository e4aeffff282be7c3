"""Machines on one switch, made of network namespaces: for tests of what happens between hosts.

Each node is a namespace with one interface, plugged into a bridge in a namespace of its own. Needs root and iproute2.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

NET = "10.77.13"


def why_not():
    """Why namespaces cannot be made here, or ""."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "iproute2 (ip) is not installed"
    name = f"hadal-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return "ip netns add: " + made.stderr.strip()
    try:
        pair = subprocess.run(
            ["ip", "-n", name, "link", "add", "name", "try0", "type", "veth", "peer", "name", "try1"], capture_output=True, text=True
        )
        bridge = subprocess.run(["ip", "-n", name, "link", "add", "br0", "type", "bridge"], capture_output=True, text=True)
        for step in (pair, bridge):
            if step.returncode != 0:
                return "ip link add: " + step.stderr.strip()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
    return ""


def run(*words):
    subprocess.run(words, check=True, capture_output=True, text=True)


class Node:
    def __init__(self, name, index, hub):
        self.name, self.index, self.hub = name, index, hub
        self.address = f"{NET}.{index + 1}"

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *words]

    def unplug(self):
        """The cable is out: both ends see it."""
        run("ip", "-n", self.hub, "link", "set", f"p{self.index}", "down")

    def swallow(self):
        """The switch drops every packet of this node and says nothing."""
        run("ip", "-n", self.hub, "link", "set", f"p{self.index}", "nomaster")


class Network:
    """num_nodes machines n0, n1, ... on one switch, on which a DNS server runs."""

    def __init__(self, num_nodes, directory):
        tag = f"hadal{os.getpid() % 100000}"
        self.hub = tag + "-sw"
        self.nodes = [Node(f"{tag}-n{i}", i, self.hub) for i in range(num_nodes)]
        self.zone = pathlib.Path(directory) / "zone"
        self.zone.write_text("")
        self.dns = None
        try:
            self.make()
        except subprocess.CalledProcessError as error:
            self.remove()
            raise RuntimeError(f"{error.cmd}: {error.stderr}") from error

    def make(self):
        run("ip", "netns", "add", self.hub)
        run("ip", "-n", self.hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.hub, "addr", "add", f"{NET}.254/24", "dev", "br0")
        for device in ("lo", "br0"):
            run("ip", "-n", self.hub, "link", "set", device, "up")
        for node in self.nodes:
            run("ip", "netns", "add", node.name)
            run("ip", "-n", self.hub, "link", "add", f"p{node.index}", "type", "veth", "peer", "name", "eth0", "netns", node.name)
            run("ip", "-n", self.hub, "link", "set", f"p{node.index}", "master", "br0", "up")
            run("ip", "-n", node.name, "addr", "add", f"{node.address}/24", "dev", "eth0")
            run("ip", "-n", node.name, "link", "set", "lo", "up")
            run("ip", "-n", node.name, "link", "set", "eth0", "up")
            run("ip", "-n", node.name, "route", "add", "default", "via", f"{NET}.254")
            own = pathlib.Path("/etc/netns") / node.name
            own.mkdir(parents=True, exist_ok=True)
            (own / "resolv.conf").write_text(f"nameserver {NET}.254\noptions timeout:1 attempts:1\n")
        self.dns = subprocess.Popen(
            ["ip", "netns", "exec", self.hub, sys.executable, __file__, f"{NET}.254", str(self.zone)],
            stdout=subprocess.PIPE, text=True,
        )
        assert self.dns.stdout.readline() == "ready\n"

    def name(self, name, what):
        """what: an address, "nothing" (the name is known and has no address), or "silence" (no answer)."""
        with open(self.zone, "a") as zone:
            zone.write(f"{name} {what}\n")

    def remove(self):
        if self.dns is not None:
            self.dns.kill()
            self.dns.wait()
        for node in self.nodes:
            shutil.rmtree(f"/etc/netns/{node.name}", ignore_errors=True)
            subprocess.run(["ip", "netns", "del", node.name], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.hub], capture_output=True, check=False)


class Process:
    """A program on a node, its output in a file."""

    def __init__(self, node, words, log, env=None):
        self.node, self.path = node, pathlib.Path(log)
        self.start = time.monotonic()
        with open(log, "w") as out:
            self.process = subprocess.Popen(node.command(*words), stdout=out, stderr=out, env={**os.environ, **(env or {})})

    def log(self):
        return self.path.read_text()

    def wait_for(self, words, seconds):
        """Until the output holds the words; the seconds since the program was started."""
        end = time.monotonic() + seconds
        while words not in self.log():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before \"{words}\":\n{self.log()}"
            assert time.monotonic() < end, f"no \"{words}\" within {seconds} s:\n{self.log()}"
            time.sleep(0.02)
        return time.monotonic() - self.start

    def end(self, seconds):
        """The exit code, and when it came (time.monotonic)."""
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.log()}") from None
        return code, time.monotonic()

    def kill(self):
        # ip netns exec becomes the program: the process is the program itself.
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def read_zone(path):
    names = {}
    for line in open(path):
        name, what = line.split()
        names[name] = what
    return names


def answer(query, zone):
    """One DNS answer (RFC 1035) to a question for an A record; others get an empty one."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    question = query[12:at + 5]
    kind = int.from_bytes(query[at + 1:at + 3], "big")
    what = zone.get(".".join(labels).lower())
    if what == "silence":
        return None
    records = b""
    if what not in (None, "nothing") and kind == 1:
        records = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04" + socket.inet_aton(what)
    flags = b"\x81\x83" if what is None else b"\x81\x80"
    counts = b"\x00\x01" + (b"\x00\x01" if records else b"\x00\x00") + b"\x00\x00\x00\x00"
    return query[:2] + flags + counts + question + records


def serve_dns(address, path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        print("ready", flush=True)
        while True:
            query, client = server.recvfrom(512)
            reply = answer(query, read_zone(path)) if len(query) > 16 else None
            if reply is not None:
                server.sendto(reply, client)


if __name__ == "__main__":
    serve_dns(sys.argv[1], sys.argv[2])
