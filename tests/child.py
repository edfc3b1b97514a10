"""Runs a program and measures its processor time.  If the program does not end, reports what it is doing."""
import os
import resource
import subprocess


def processor_seconds():
    """Of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def state(pid):
    """What the kernel says of a process and each of its threads: whether it runs or waits, for what, and its time so far."""
    def read(name):
        try:
            with open(f"/proc/{pid}/{name}") as f:
                return f.read().strip()
        except OSError as problem:
            return problem.strerror
    said = []
    for thread in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        task = f"task/{thread}"
        # After the name, which may hold anything: state ... utime (12th), stime
        stat = read(f"{task}/stat").rpartition(")")[2].split()
        tick = os.sysconf("SC_CLK_TCK")
        user, system = (int(t) / tick for t in stat[11:13]) if len(stat) > 12 else (0, 0)
        switches = [line.split()[-1] for line in read(f"{task}/status").splitlines() if "ctxt_switches" in line]
        said.append(f"thread {thread} ({read(f'{task}/comm')}): state {stat[0] if stat else '?'}, {user:.2f} s user, "
                    f"{system:.2f} s system, waits in {read(f'{task}/wchan')}, system call {read(f'{task}/syscall')}, "
                    f"{' + '.join(switches)} switches")
    return "; ".join([*said, f"load {os.getloadavg()}", f"pressure {pressure()}"])


def pressure():
    try:
        with open("/proc/pressure/cpu") as f:
            return f.read().strip()
    except OSError:
        return "unknown"


class Stuck(Exception):
    """Still there when the clock had run out; says what it was doing."""


def run(command, clock_s, **how):
    """(CompletedProcess, processor seconds) of a command; Stuck after clock_s by the clock.  One at a time."""
    before = processor_seconds()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how) as process:
        try:
            out, err = process.communicate(timeout=clock_s)
        except subprocess.TimeoutExpired:
            doing = state(process.pid)
            process.kill()
            process.communicate()
            raise Stuck(f"still there after {clock_s} s: {doing}") from None
    return subprocess.CompletedProcess(command, process.returncode, out, err), processor_seconds() - before
