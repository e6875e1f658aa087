"""Several hosts on one machine: network namespaces on a bridge without a way out, each with processes, names and memory of its own.

Needs root. Everything lives in the namespaces of a network and in one folder. It knows nothing of what runs on the hosts.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

NETWORK = "10.77.0"
FOREIGN = ("RAY_", "VERITENSOR_", "HF_")  # what is set where this runs is not set on a host


class Network:
    """A bridge without a way out, in network, mount and process namespaces, used as a context.

    The first process of the namespaces reads from a pipe of ours. When we end, however that comes, so does it, and with it every process
    on every host.
    """

    def __enter__(self) -> Network:
        spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
        first = ["unshare", *spaces, "sh", "-c", "echo up; exec cat"]
        self._first = subprocess.Popen(first, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._first.stdout is not None
        if not self._first.stdout.readline():
            raise RuntimeError("no network namespaces can be made here: this takes root, unshare, nsenter and ip")
        [child] = children(self._first.pid)
        self.inside = ["nsenter", f"--target={child}", "--net", "--mount", "--pid", "--"]
        Path("/run/netns").mkdir(exist_ok=True)
        self.run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", "bridge0", "type", "bridge")
        self.run("ip", "link", "set", "bridge0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._first.stdin is not None
        self._first.stdin.close()
        self._first.wait(60)

    def run(self, *command: str) -> None:
        """A command that has to succeed."""
        subprocess.run([*self.inside, *command], check=True)


def children(process: int) -> list[int]:
    """The processes that a process started and that have not ended."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def end(program: subprocess.Popen[bytes]) -> None:
    """Kill what runs on a host: nsenter's child is unshare, which takes the first process of its namespace with it, and that all others."""
    if program.poll() is None:
        for child in children(program.pid):
            os.kill(child, signal.SIGKILL)
        program.wait(30)


@dataclass
class Host:
    """One machine of the network. What it runs sees only its own processes and /dev/shm, and the network.

    `temporary` is one path on all hosts, and a folder of its own on each: Ray puts its sessions there.
    """

    network: Network
    name: str
    number: int
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    core: int | None = None
    machine: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home, self.tmp = self.folder / self.name / "home", self.folder / self.name / "tmp"
        self.temporary = self.folder / "tmp"
        for path in (self.home, self.tmp, self.temporary):
            path.mkdir(parents=True, exist_ok=True)
        inside, outside = f"eth{self.number}", f"veth{self.number}"
        (self.home.parent / "hosts").write_text(f"127.0.0.1 localhost\n{self.address} {self.name}\n")  # as every machine knows itself
        run = self.network.run
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        run("ip", "link", "set", outside, "master", "bridge0", "up")
        for command in ("link set lo up", f"addr add {self.address}/24 dev {inside}", f"link set {inside} up"):
            run("ip", "-n", self.name, *command.split())

    @property
    def address(self) -> str:
        """Its address."""
        return f"{NETWORK}.{self.number}"

    def _command(self, command: list[str], memory: str) -> list[str]:
        """The command on this host: a PID namespace ends as a whole, as a machine that loses its power does."""
        own, names = shlex.quote(str(self.tmp)), shlex.quote(str(self.home.parent / "hosts"))
        prepare = f"mount --bind {own} {shlex.quote(str(self.temporary))}; mount --bind {names} /etc/hosts; mount -t tmpfs -o size={memory} tmpfs /dev/shm; hostname {self.name}"
        pinned = f"taskset -c {self.core} " if self.core is not None else ""
        script = f"{prepare}; exec {pinned}{shlex.join(command)}"
        spaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child", "--mount-proc"]
        return [*self.network.inside, "ip", "netns", "exec", self.name, "unshare", *spaces, "bash", "-c", script]

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config"), "RAY_TMPDIR": str(self.temporary)}
        ours = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {**ours, **own, **self.environment, **more}

    def start(self, *command: str, memory: str = "1g", **environment: str) -> None:
        """Switch it on: its one program, with the output in its folder."""
        with (self.folder / self.name / "log.txt").open("ab") as log:
            self.machine = subprocess.Popen(
                self._command(list(command), memory), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environment(environment)
            )

    def call(self, *command: str, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program beside the one that is on, and wait for it."""
        return subprocess.run(
            self._command(list(command), "1g"),
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env=self._environment(environment),
            check=False,
        )

    def open(self, *command: str, output: Path, **environment: str) -> subprocess.Popen[bytes]:
        """The same without waiting; what it prints goes to a file."""
        with output.open("wb") as log:
            return subprocess.Popen(
                self._command(list(command), "1g"), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environment(environment)
            )

    def power_off(self) -> None:
        """All its processes at once, without a word to anybody."""
        if self.machine is not None:
            end(self.machine)
        self.machine = None

    def cable(self, plugged: bool) -> None:
        """Pull the network cable, or plug it in."""
        self.network.run("ip", "-n", self.name, "link", "set", f"eth{self.number}", "up" if plugged else "down")

    def log(self) -> str:
        """What its program printed."""
        return (self.folder / self.name / "log.txt").read_text(errors="replace")
