"""Several hosts on one machine: network namespaces on a bridge without a way out, each with processes, names and memory of its own.

Needs root. Everything lives in namespaces of this process and in one folder; it is gone when the process ends.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

NETWORK = "10.77.0"


def enter() -> None:
    """Start this program again in a network and mount namespace of its own, once; exits 4 where none can be made."""
    if os.environ.get("HOSTS_ENTERED") == "1":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts are switched off, whoever ends this program
        Path("/run/netns").mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge0", "type", "bridge")
        run("ip", "link", "set", "bridge0", "up")
        return
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "--mount", "true"], check=False, capture_output=True).returncode:
        sys.stderr.write("no network namespaces can be made here: this takes root, unshare and ip\n")
        sys.exit(4)
    os.environ["HOSTS_ENTERED"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv])  # noqa: S606  # this program again, inside


def run(*command: str) -> None:
    """A command that has to succeed."""
    subprocess.run(command, check=True)


def end(program: subprocess.Popen[bytes]) -> None:
    """Kill what runs on a host: the child of unshare is the first process of its namespace, and with it go all others."""
    if program.poll() is None:
        for child in Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        program.wait(30)


@dataclass
class Host:
    """One machine of the network. What it runs sees only its own processes and /dev/shm, and the network.

    `temporary` is one path on all hosts, and a folder of its own on each: Ray puts its sessions there.
    """

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
        return ["ip", "netns", "exec", self.name, "unshare", *spaces, "bash", "-c", script]

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config"), "RAY_TMPDIR": str(self.temporary)}
        return {**os.environ, **own, **self.environment, **more}

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
        run("ip", "-n", self.name, "link", "set", f"eth{self.number}", "up" if plugged else "down")

    def log(self) -> str:
        """What its program printed."""
        return (self.folder / self.name / "log.txt").read_text(errors="replace")
