"""A Slurm of one node on this machine: munged, slurmctld and slurmd of Debian's packages."""

from __future__ import annotations

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

NODE = "node1"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
_PARENT_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG

_CONF = """\
ClusterName=chsims
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdTimeout=10
KillWait=5
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:1
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""


def absent() -> str:
    """Return why no Slurm can be started here, or nothing."""
    # Debian keeps the daemons in sbin, which is not on every user's PATH
    missing = [name for name in PROGRAMS if _program(name) is None]
    if not missing:
        return ""
    return f"{', '.join(missing)} not installed (apt-get install slurm-wlm munge)"


@contextmanager
def running(slurm: Slurm) -> Iterator[Slurm]:
    """Run a Slurm's daemons in the block, and print the ends of their logs after it."""
    try:
        slurm.start()
        yield slurm
    finally:
        print(slurm.logs())
        slurm.stop()


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def wait_for(condition: Callable[[], object], what: str, seconds: float = 600) -> None:
    """Wait until something is so.

    Raises
    ------
    TimeoutError
        Saying what did not come about.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)


class Slurm:
    """Daemons of this process, which end with it however it ends.

    Parameters
    ----------
    folder : Path
        Their configuration, state and logs; short, since it holds a socket.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Write the configuration, start the daemons and wait until the node is idle."""
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        port, node_port = _free_ports(2)
        host, user = socket.gethostname().partition(".")[0], getpass.getuser()
        conf = _CONF.format(
            folder=self.folder, host=host, user=user, node=NODE, port=port, node_port=node_port
        )
        (self.folder / "slurm.conf").write_text(conf, "utf-8")
        # the node says that it has a GPU; jobs may ask for it, and find none
        gres = f"NodeName={NODE} Name=gpu File=/dev/zero\n"
        (self.folder / "gres.conf").write_text(gres, "utf-8")
        # the plugin starts srun without SLURM_* variables, as if the file were in /etc/slurm
        wrapper = self.folder / "bin" / "srun"
        conf_path, srun = self.environment["SLURM_CONF"], _program("srun")
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={conf_path} exec {srun} "$@"\n', "utf-8")
        wrapper.chmod(0o755)
        places = {
            "key-file": key,
            "socket": self.folder / "munge.socket",
            "pid-file": self.folder / "munge.pid",
            "log-file": self.folder / "munge.log",
            "seed-file": self.folder / "munge.seed",
        }
        self._daemon("munged", "-F", "--force", *(f"--{k}={v}" for k, v in places.items()))
        wait_for(places["socket"].exists, "munged opens its socket")
        self._daemon("slurmctld", "-D")
        self.start_node()

    def start_node(self) -> None:
        """Start slurmd and wait until jobs can run."""
        log = self.folder / "slurmd.log"
        log.touch()
        known = log.read_text("utf-8").count("slurmd started")
        self._daemon("slurmd", "-D", "-N", NODE)
        wait_for(lambda: log.read_text("utf-8").count("slurmd started") > known, "slurmd starts")
        ready = ("idle", "mix", "comp")  # comp: a job of before is still being cleared away
        wait_for(lambda: self.node_state() in ready, "the node is ready for jobs")

    def crash_node(self) -> None:
        """Kill slurmd and everything that it runs, as a power cut would."""
        self._kill("slurmd")
        self._kill_jobs()

    def stop(self) -> None:
        """Kill the daemons and every process of a job."""
        for name in list(self._daemons):
            self._kill(name)
        self._kill_jobs()

    def _kill_jobs(self) -> None:
        """Kill what slurmd has started: it outlives slurmd, and starts new processes until then."""
        spared = {process.pid for process in _family()}
        while left := [p for p in self._processes() if p.pid not in spared]:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=60)

    def jobs(self) -> list[Mapping[str, str]]:
        """Return what ``scontrol show job`` says of each job that Slurm remembers."""
        said = self.ask("scontrol", "--oneliner", "show", "job")
        lines = [line for line in said.splitlines() if line.startswith("JobId=")]
        return [dict(w.split("=", 1) for w in line.split() if "=" in w) for line in lines]

    def of_rule(self, rule: str) -> list[Mapping[str, str]]:
        """Return the jobs of a rule, in the order of their submission."""
        found = [job for job in self.jobs() if job.get("Comment", "").startswith(f"rule_{rule}")]
        return sorted(found, key=lambda job: int(job["JobId"]))

    def node_state(self) -> str:
        """Return the node's state: idle, mix, down ...; with ``*`` if it does not respond."""
        return self.ask("sinfo", "-h", "-o", "%t").strip()

    def ask(self, *command: str) -> str:
        """Run one of Slurm's programs and return what it prints."""
        done = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return done.stdout

    def logs(self) -> str:
        """Return the ends of the daemons' logs, for a failed test."""
        parts = []
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text("utf-8", errors="replace").splitlines()
            parts += [f"== {path.name}", *lines[-15:]]
        return "\n".join(parts)

    def command_of(self, name: str) -> list[str]:
        """Return the command that starts a daemon."""
        program = _program(name)
        assert program is not None
        return [program]

    def _daemon(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as stream:
            self._daemons[name] = subprocess.Popen(
                [*self.command_of(name), *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,
            )

    def _kill(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def _processes(self) -> Iterator[psutil.Process]:
        """Yield the processes that this Slurm's daemons and jobs consist of."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if self._is_ours(process):
                    yield process

    def _is_ours(self, process: psutil.Process) -> bool:
        """Tell daemons and jobs, by their environment, and slurmstepd, which has overwritten it."""
        if process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]:
            return True
        held = str(self.folder / "slurmd.log")
        return "slurmstepd" in process.name() and held in {f.path for f in process.open_files()}


def _family() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
