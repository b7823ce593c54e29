"""A SLURM cluster of two nodes on this machine, from Debian's ``slurm-wlm`` and ``munge``.

``python -m tests.harness.slurm.cluster up`` starts one, ``down`` removes it. Both nodes, n1 and n2, are this machine;
each has 4 CPUs and 2 GPUs, which are a variable for jobs (CUDA_VISIBLE_DEVICES) and nothing else. Everything lives in
one folder, with a munge key, sockets and ports of its own, so that clusters run side by side and beside a real one.
Needs the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.harness.slurm.processes import find_by_environment, find_by_open_file, kill_all

NODES = ("n1", "n2")
_TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "sinfo", "squeue")
_DAEMONS = ("munged", "slurmctld", "slurmscriptd", "slurmd", "slurmstepd")
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
"""Where daemons are; not on the search path of ordinary users."""
_LONGEST_FOLDER = 70
"""The paths of the sockets inside must stay under 108 characters (man 7 unix)."""
_WAIT_S = 30.0

_CONFIGURATION = """\
ClusterName=segrepro
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# cred_expire is also how long a requeued job waits before it starts again; lower values are not accepted.
AuthInfo=socket={folder}/munge.sock,cred_expire=5
MailProg=/bin/true
# The controller reads one line more than the nodes.
DebugFlags=NO_CONF_HASH

StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log

ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu

# Impatient, so that tests are quick.
SlurmdTimeout=5
KillWait=2
InactiveLimit=0
ReturnToService=2
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1

JobRequeue=1
MinJobAge=3600
MaxArraySize=20001
MaxJobCount=50000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE

NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={n1_port} CPUs=4 RealMemory=8000 Gres=gpu:2
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={n2_port} CPUs=4 RealMemory=8000 Gres=gpu:2
PartitionName=low Nodes=n1,n2 PriorityTier=1
PartitionName=normal Nodes=n1,n2 PriorityTier=2 Default=YES
PartitionName=high Nodes=n1,n2 PriorityTier=3
"""
# How soon a silent node counts as dead depends on this too; clients keep the default of 10 s.
_CONTROLLER_CONFIGURATION = "include {folder}/slurm.conf\nMessageTimeout=3\n"
# SLURM insists on device files and does nothing with them here; these two exist in containers too.
_GPUS = "NodeName=n1,n2 Name=gpu File=/dev/null,/dev/zero\n"


class ClusterError(RuntimeError):
    """The cluster cannot be started, or does not do what it was asked. The message is one sentence."""


class Cluster:
    """A cluster, known by its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @classmethod
    def start(cls, folder: Path) -> Cluster:
        """Start a cluster in a folder of its own and wait until both nodes are idle.

        What a crashed cluster left there is removed first.

        Raises:
            ClusterError: SLURM or munge is missing, the folder cannot hold a cluster, one runs there already,
                or a daemon does not come up.
        """
        check_installed()
        cluster = cls(folder)
        cluster._check_folder()
        cluster.stop()
        try:
            cluster._write_files()
            cluster._launch("munged", *cluster._munge_arguments())
            cluster._launch("slurmctld", "-f", str(cluster.folder / "slurmctld.conf"))
            for node in NODES:
                cluster._launch("slurmd", "-N", node, "-f", str(cluster.configuration))
            cluster.wait_idle()
        except BaseException:
            cluster.stop()
            raise
        return cluster

    def stop(self) -> None:
        """Kill every daemon and job of this cluster, whatever state it is in, and remove its folder."""
        if self.configuration.exists():
            kill_all(lambda: self._daemons("*") | self._jobs(NODES))
            shutil.rmtree(self.folder)

    def reset(self) -> None:
        """Cancel all jobs, bring both nodes back, and wait until they are idle: one test after another."""
        self.command("scancel", "--me")
        kill_all(lambda: self._jobs(NODES))
        for node in NODES:
            if not self._daemons(node):
                self.start_node(node)
            if "drain" in self.node_state(node):
                self.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self.wait_idle()

    @property
    def configuration(self) -> Path:
        """The slurm.conf of this cluster."""
        return self.folder / "slurm.conf"

    @property
    def env(self) -> dict[str, str]:
        """What clients such as sbatch need in their environment."""
        return {"SLURM_CONF": str(self.configuration)}

    def is_running(self) -> bool:
        """Say whether the controller lives."""
        return bool(self._daemons("slurmctld", ["slurmctld"]))

    def kill_node(self, node: str, mark_down: bool = False) -> None:
        """Kill everything that runs on a node at once, as when a machine loses power.

        The controller finds out by itself after some 12 s; with ``mark_down`` it is told.
        """
        kill_all(lambda: self._daemons(node))  # first, so that nobody is left to report the end of the jobs
        kill_all(lambda: self._jobs([node]))
        if mark_down:
            self.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed")

    def start_node(self, node: str) -> None:
        """Start a killed node again and wait until it may be used.

        If the controller has not noticed the death yet, it takes some 20 s to see that the node has lost its jobs.
        """
        self._launch("slurmd", "-N", node, "-f", str(self.configuration))
        self.wait_until(lambda: not self.node_state(node).startswith("down"), f"{node} stays down")

    def node_state(self, node: str) -> str:
        """The state as sinfo tells it, such as idle, mixed, allocated, or down*; the star means that it is silent.

        SLURM may call a node mixed or allocated for half a minute after its last job.
        """
        return self.command("sinfo", "-h", "-p", "normal", "-n", node, "-o", "%T")

    def wait_idle(self) -> None:
        """Wait until no job is left and both nodes are ready for some."""
        ready = ("idle", "mixed", "allocated")
        self.wait_until(
            lambda: not self.command("squeue", "-h") and all(self.node_state(node) in ready for node in NODES),
            "the cluster does not become idle",
        )

    def job(self, job_id: str) -> dict[str, str]:
        """What SLURM knows of a job or of one task of an array: JobState, Restarts, NodeList, Reason, ExitCode ..."""
        words = self.command("scontrol", "show", "job", "-o", job_id).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def command(self, *arguments: str) -> str:
        """Run a SLURM client and return what it prints, without the last line feed.

        Raises:
            ClusterError: it fails.
        """
        done = subprocess.run(arguments, env={**os.environ, **self.env}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"{' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def wait_until(self, condition: Callable[[], bool], complaint: str, timeout_s: float = _WAIT_S) -> None:
        """Wait for something to become true; while it cannot be asked, it is not.

        Raises:
            ClusterError: it did not in time.
        """
        deadline = time.monotonic() + timeout_s
        why = ""
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except ClusterError as error:
                why = f" ({error})"
            time.sleep(0.1)
        raise ClusterError(f"{complaint} within {timeout_s:g} s{why}; see the logs in {self.folder / 'log'}")

    def _check_folder(self) -> None:
        if len(str(self.folder)) > _LONGEST_FOLDER or set(str(self.folder)) & set(" \t,%#\\\"'"):
            raise ClusterError(
                f"a cluster cannot live in {self.folder}: its path must have at most {_LONGEST_FOLDER} characters, "
                "none of them a space or one of ,%#\\\"'; set TMPDIR to such a folder"
            )
        if self.folder.exists() and any(self.folder.iterdir()) and not self.configuration.exists():
            raise ClusterError(f"{self.folder} exists and is not a cluster's; remove it or name another folder")
        if self.is_running():
            raise ClusterError(f"a cluster runs in {self.folder} already; stop it first")

    def _write_files(self) -> None:
        self.folder.mkdir(parents=True, mode=0o755, exist_ok=True)
        ports = dict(zip(("controller_port", "n1_port", "n2_port"), _free_ports(), strict=False))
        facts = {"host": socket.gethostname(), "user": os.getuid(), "folder": self.folder}
        self.configuration.write_text(_CONFIGURATION.format(**facts, **ports))
        (self.folder / "slurmctld.conf").write_text(_CONTROLLER_CONFIGURATION.format(**facts))
        (self.folder / "gres.conf").write_text(_GPUS)
        for name in ("log", "state", *NODES):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))

    def _munge_arguments(self) -> list[str]:
        files = {
            "key-file": "munge.key",
            "socket": "munge.sock",
            "pid-file": "munged.pid",
            "log-file": "log/munged.log",
            "seed-file": "munged.seed",
        }
        return [f"--{option}={self.folder / name}" for option, name in files.items()]

    def _launch(self, tool: str, *arguments: str) -> None:
        """Start a daemon, which returns once it has put itself in the background."""
        path = _find_tool(tool)
        assert path is not None, f"{tool} is not installed"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
        log = self.folder / "log" / "start.log"
        with log.open("w") as file:
            started = subprocess.run(
                [path, *arguments], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=clean, check=False
            )
        if started.returncode:
            said = " ".join(log.read_text().split())
            raise ClusterError(f"{tool} does not start: {said or f'exit code {started.returncode}'}")

    def _daemons(self, log: str, names: Iterable[str] = _DAEMONS) -> set[int]:
        """Daemons by the log that they hold open ("*": any), such as "n1"; their titles cannot be relied on."""
        return find_by_open_file({str(path) for path in (self.folder / "log").glob(f"{log}.log")}, names)

    def _jobs(self, nodes: Iterable[str]) -> set[int]:
        """Processes of jobs on some nodes, by what SLURM puts in their environment."""
        return find_by_environment(f"SLURM_CONF={self.configuration}", [f"SLURMD_NODENAME={node}" for node in nodes])


def check_installed() -> None:
    """Raise ClusterError, with the packages to install, where SLURM or munge is missing."""
    missing = [tool for tool in _TOOLS if _find_tool(tool) is None]
    if missing:
        raise ClusterError(f"{', '.join(missing)} not found; install SLURM, on Debian: apt-get install slurm-wlm munge")


def _find_tool(tool: str) -> str | None:
    return shutil.which(tool, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS]))


def _free_ports() -> Iterator[int]:
    """Yield free ports below those that the system hands out by itself, so that a dead node's port stays free."""
    for port in random.sample(range(10_000, 32_000), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            yield port


def _up(cluster: Cluster) -> int:
    already = cluster.is_running()
    if not already:
        Cluster.start(cluster.folder)
    print(f"export SLURM_CONF={cluster.configuration}")
    print(
        f"# Two nodes are up{' already' if already else ''}. Type the line above to use sinfo, squeue and sbatch here."
    )
    return 0


def _down(cluster: Cluster) -> int:
    cluster.stop()
    return 0


def _status(cluster: Cluster) -> int:
    if not cluster.is_running():
        print(f"no cluster runs in {cluster.folder}")
        return 1
    print(cluster.command("sinfo", "-p", "normal", "-N", "-o", "%N %T %C %G"))
    print(cluster.command("squeue"))
    return 0


def _conf(cluster: Cluster) -> int:
    if not cluster.is_running():
        return 1
    print(cluster.configuration)
    return 0


_VERBS = {"up": _up, "down": _down, "status": _status, "conf": _conf}


def main(arguments: list[str]) -> int:
    """Do what the command line asks for, for the one cluster of this user; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in _VERBS:
        print(f"usage: python -m tests.harness.slurm.cluster {'|'.join(_VERBS)}", file=sys.stderr)
        return 2
    try:
        return _VERBS[arguments[0]](Cluster(Path(tempfile.gettempdir()) / f"segrepro-slurm-{os.getuid()}"))
    except (ClusterError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
