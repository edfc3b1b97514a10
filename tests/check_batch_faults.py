#!/usr/bin/env python3
"""Checks cfp-gpu batch against whatever stops a run, and with however many processes that take part.

    check_batch_faults.py --cfp CFP_GPU [--kills N] [TEST...]

batch_runs.py tells how.  TEST: names of the functions below; all by default."""
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

from batch_runs import (main, check, command, folder, LIMIT, lines, make_list, options, result, run, same, whole)

import h5py


def damaged():
    """What finished runs left is damaged before the next run: it is made anew."""
    clips = make_list("damaged", 5)
    more = ("--shard-clips", "3")
    wanted = whole(clips, *more, name="damaged-whole")
    out = folder("damaged-out")
    one, other = (wanted[f"shard-0000{k}.h5"] for k in (0, 1))
    for what, data in (("cut", one[:len(one) // 2]), ("empty", b""), ("junk", b"junk" * 999), ("another shard", other)):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder("damaged-whole"), out)
        with open(os.path.join(out, "shard-00000.h5"), "wb") as f:
            f.write(data)
        done = run(out, clips, *more)
        check(done.stderr.startswith(f"cfp-gpu: warning: {out}/shard-00000.h5: damaged: clip 'c000.npy' is not in it") and
              done.stderr.count("\n") == 1, f"{what}: {done.stderr}")
        same(out, wanted, f"a shard that is {what}")
    # A shard in the making, and the line of a clip at the place of another.
    os.remove(os.path.join(out, "shard-00001.h5"))
    os.makedirs(os.path.join(out, "work", "000003.h5"))
    with open(os.path.join(out, "work", "000003.json"), "w") as f:
        json.dump(lines(folder("damaged-whole"))[3], f, separators=(",", ":"))
    done = run(out, clips, *more, status=1)
    check("000003.h5: damaged: " in done.stderr and "it cannot be removed: " in done.stderr, f"a folder: {done.stderr}")
    os.rmdir(os.path.join(out, "work", "000003.h5"))
    with open(os.path.join(out, "work", "000003.h5"), "wb") as f:
        f.write(b"never looked at")
    with open(os.path.join(out, "work", "000003.json"), "w") as f:
        json.dump(lines(folder("damaged-whole"))[2], f, separators=(",", ":"))
    run(out, clips, *more)
    same(out, wanted, "the line of another clip")


def pipes():
    """Nobody writes to a named pipe, so whoever reads it waits for ever.  As a clip, inside a folder of frames, behind a
    link, or as the list's folder, it ends with a reason at once."""
    clips = make_list("pipes", 2)
    where = os.path.dirname(clips)
    names = [f"pipe{suffix}" for suffix in (".npy", ".mp4", ".tar", ".h5", ".gif", ".png", "")]
    for name in names:
        os.mkfifo(os.path.join(where, name))
    os.symlink("pipe.mp4", os.path.join(where, "link.mp4"))
    os.makedirs(os.path.join(where, "frames"))
    for k in range(5):
        os.mkfifo(os.path.join(where, "frames", f"{k}.png"))
    names += ["link.mp4", "frames"]
    with open(clips, "a") as f:
        f.writelines(f"{name},red\n" for name in names)
    out = folder("pipes-out")
    began = time.monotonic()
    subprocess.run([options.cfp, "dataset", clips], capture_output=True, timeout=LIMIT)
    run(out, clips, "--time-limit", "30", status=1)
    check(time.monotonic() - began < 25, "named pipes: the time limit had to end it")
    rows = lines(out)
    check([row["status"] for row in rows] == 2 * ["ok"] + len(names) * ["failed"],
          f"named pipes: {[(row['id'], row['status'], row['reason']) for row in rows]}")
    check(all(row["reason"] for row in rows[2:]), "a named pipe fails without a reason")
    pipe = os.path.join(where, "list")
    os.mkfifo(pipe)
    done = subprocess.run(command(folder("pipes-list"), pipe), capture_output=True, text=True, timeout=LIMIT)
    check(done.returncode in (1, 2) and done.stderr.count("\n") == 1, f"a list that is a named pipe: {done.returncode} {done.stderr}")


def readable(out):
    """Every clip that has its name can be read."""
    work = os.path.join(out, "work")
    for where in (out, work):
        for name in os.listdir(where) if os.path.isdir(where) else ():
            if re.fullmatch(r"(shard-)?\d+\.h5", name):
                try:
                    with h5py.File(os.path.join(where, name)) as f:
                        for clip in f["clips"].values():
                            clip["logits"][()]
                except OSError as error:
                    check(False, f"{name} cannot be read after a kill: {error}")


def kills():
    """kill -9 at random moments."""
    clips = make_list("kills", 30)
    began = time.monotonic()
    more = ("--shard-clips", "7", "--batch", "2", "--decoders", "2")
    wanted = whole(clips, *more, name="kills-whole")
    took = time.monotonic() - began
    rng = random.Random(17)
    out = folder("kills-out")
    for k in range(options.kills):
        run_ = subprocess.Popen(command(out, clips, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, took))
        run_.kill()
        run_.wait()
        if k % 5 == 4:
            readable(out)
        if os.path.exists(os.path.join(out, "index.h5")):
            run(out, clips, *more)
            same(out, wanted, f"kill {k}")
            shutil.rmtree(out)
    run(out, clips, *more)
    same(out, wanted, "after the last kill")


def terminates():
    """SIGTERM: status 130, no claim stays, a rerun completes."""
    clips = make_list("terminates", 40)
    wanted = whole(clips, name="terminates-whole")
    out = folder("terminates-out")
    run_ = subprocess.Popen(command(out, clips), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not os.path.exists(os.path.join(out, "manifest.jsonl")) and run_.poll() is None:
        time.sleep(0.01)
    run_.terminate()
    _, said = run_.communicate(timeout=LIMIT)
    check((run_.returncode, said) == (130, "cfp-gpu: interrupted\n"), f"SIGTERM: status {run_.returncode}: {said}")
    work = os.listdir(os.path.join(out, "work"))
    check(not [name for name in work if "claim" in name or "owner" in name], f"SIGTERM leaves {work}")
    check(0 < len(lines(out)) < 40, f"SIGTERM: {len(lines(out))} of 40 clips are done")
    run(out, clips)
    same(out, wanted, "after SIGTERM")


def full_disk():
    """A limit on the size of files stands for a full disk: for a clip's file, and for a shard."""
    clips = make_list("full", 12)
    more = ("--shard-clips", "12")
    wanted = whole(clips, *more, name="full-whole")
    shard = len(wanted["shard-00000.h5"])
    out = folder("full-out")
    for limit in (3000, shard - 100):
        def smaller(limit=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        done = run(out, clips, *more, status=1, preexec_fn=smaller)
        check(done.stderr.count("\n") == 1 and "File too large" in done.stderr, f"full disk: {done.stderr}")
        check(not os.path.exists(os.path.join(out, "shard-00000.h5")), "full disk: a shard has its name")
        readable(out)
    run(out, clips, *more)
    same(out, wanted, "after a full disk")


def few_descriptors():
    """A batch needs few descriptors; where there are too few it says so."""
    clips = make_list("descriptors", 3)

    def limit(n):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
    run(folder("descriptors-out"), clips, "--decoders", "2", preexec_fn=limit(48))
    for n in (8, 12, 16):
        done = subprocess.run(command(folder("descriptors-few"), clips), capture_output=True, text=True, timeout=LIMIT,
                              preexec_fn=limit(n))
        check(done.returncode == (done.stderr != "") and done.stderr.count("\n") == done.returncode and
              "Invalid argument" not in done.stderr, f"{n} descriptors: status {done.returncode}: {done.stderr}")
    run(folder("descriptors-few"), clips)


def small_disk():
    """A tmpfs that fills up, and then gets larger; in a name space of its own, so that nobody needs to be root."""
    clips = make_list("disk", 20)
    wanted = whole(clips, name="disk-whole")
    mount = os.path.join(options.work, "mount")
    os.makedirs(mount)
    words = " ".join(map(shlex.quote, command("mount/out", clips)))
    script = (f"cd {options.work}; mount -t tmpfs -o size=200k none mount || exit 77; {words}; echo status $?; "
              f"mount -o remount,size=8m mount; {words}; echo status $?; cp -r mount/out disk-out")
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=LIMIT)
    if done.returncode == 77 or "unshare" in done.stderr:
        print(f"not run: small_disk: {done.stderr.strip()}")
        return
    check(done.stdout.split() == ["status", "1", "status", "0"], f"small disk: {done.stdout} {done.stderr}")
    check(done.stderr.count("\n") == 1 and done.stderr.endswith("No space left on device\n"), f"small disk: {done.stderr}")
    if os.path.exists(folder("disk-out")):
        same(folder("disk-out"), wanted, "after a small disk")


def read_only():
    clips = make_list("readonly", 3)
    out = folder("readonly-out")
    run(out, clips, "--shard", "1/3")
    wanted = whole(clips, name="readonly-whole")
    nobody = 65534
    os.chmod(out, 0o555)
    for name in os.listdir(out):
        os.chmod(os.path.join(out, name), 0o444)

    def drop():
        if os.geteuid() == 0:
            os.setuid(nobody)
    try:
        done = subprocess.run(command(out, clips), capture_output=True, text=True, timeout=LIMIT, preexec_fn=drop)
        if "Permission denied" in done.stderr and done.returncode == 1 and out in done.stderr:
            check(done.stderr.count("\n") == 1, f"read-only: {done.stderr}")
        else:
            check(False, f"read-only: status {done.returncode}: {done.stderr}")
    except PermissionError:
        print("not run: read_only: another user cannot start the program")
    os.chmod(out, 0o755)
    run(out, clips)
    same(out, wanted, "after a read-only folder")


def helpers(parent):
    """The processes that decode for `parent`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                if int(f.read().rpartition(")")[2].split()[1]) != parent:
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().split(b"\0")[1:2] == [b"batch-decodes"]:
                    found.append(int(pid))
        except (OSError, IndexError):
            continue
    return found


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def slow_clip(path):
    """A folder of pictures that take seconds to decode, and little space: all of them are one file."""
    import struct
    import zlib
    side = 9000

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    pack = zlib.compressobj(1)
    row = bytes(1 + 3 * side)
    data = b"".join(pack.compress(row) for _ in range(side)) + pack.flush()
    os.makedirs(path)
    with open(os.path.join(path, "0.png"), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", data) + chunk(b"IEND", b""))
    for k in range(1, 4):
        os.symlink("0.png", os.path.join(path, f"{k}.png"))


def decoders_die():
    """A decoder that crashes, is killed or hangs takes its clip with it, and nothing else."""
    clips = make_list("decoders", 4)
    slow = os.path.join(os.path.dirname(clips), "slow")
    slow_clip(slow)
    with open(clips) as f:
        head, *rest = f.readlines()
    with open(clips, "w") as f:
        f.writelines([head, "slow,red\n", *rest])
    for number, limit, says in ((signal.SIGSEGV, "300", "crashed (signal 11"), (signal.SIGKILL, "300", "was killed"),
                                (signal.SIGSTOP, "2", "not decoded after 2 s (--time-limit)")):
        out = folder(f"decoders-{number}")
        run_ = subprocess.Popen(command(out, clips, "--decoders", "1", "--time-limit", limit), stderr=subprocess.PIPE, text=True,
                                stdout=subprocess.DEVNULL)
        found = []
        while not found and run_.poll() is None:
            time.sleep(0.01)
            found = helpers(run_.pid)
        time.sleep(0.3)
        for pid in found:
            os.kill(pid, number)
        said = run_.communicate(timeout=LIMIT)[1]
        rows = lines(out)
        check(run_.returncode == 1 and [row["status"] for row in rows] == ["failed"] + 4 * ["ok"],
              f"decoder {number.name}: status {run_.returncode}: {[row['status'] for row in rows]}: {said}")
        check(says in (rows[0]["reason"] or ""), f"decoder {number.name}: reason {rows[0]['reason']}")
    # The processes of a batch that is killed end with it.
    run_ = subprocess.Popen(command(folder("decoders-alone"), clips, "--decoders", "1"), stderr=subprocess.DEVNULL)
    found = []
    while not found and run_.poll() is None:
        time.sleep(0.01)
        found = helpers(run_.pid)
    run_.kill()
    run_.wait()
    time.sleep(0.5)
    check(not any(lives(pid) for pid in found), "a decoder outlives its batch")


def together():
    """Four processes in one folder, started at once; and three that begin one after the other, with a clip that
    fails and that each of them tries."""
    clips = make_list("together", 30)
    wanted = whole(clips, "--shard-clips", "6", name="together-whole")
    with open(os.path.join(os.path.dirname(clips), "c008.npy"), "rb+") as f:
        whole_clip = f.read()

    def at_once(out, n, status, wait):
        runs = []
        for k in range(n):
            runs.append(subprocess.Popen(command(out, clips, "--shard-clips", "6", "--decoders", str(1 + k % 2), "--threads",
                                                 str(1 + k // 2)), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True))
            time.sleep(wait)
        for run_ in runs:
            said = run_.communicate(timeout=LIMIT)[1]
            check(run_.returncode == status, f"{n} at once: status {run_.returncode}: {said}")
    at_once(folder("together-4"), 4, 0, 0)
    same(folder("together-4"), wanted, "4 at once")
    bad = os.path.join(os.path.dirname(clips), "c008.npy")
    with open(bad, "wb") as f:
        f.write(b"no array")
    out = folder("together-bad")
    at_once(out, 3, 1, 0.1)
    check([row["id"] for row in lines(out) if row["status"] != "ok"] == ["c008.npy"], "3 with a bad clip: other clips failed")
    with open(bad, "wb") as f:
        f.write(whole_clip)
    at_once(out, 2, 0, 0)
    same(out, wanted, "2 after a clip was mended")


def launched(out, clips, rank, *more, **how):
    """A rank as srun starts it."""
    env = dict(os.environ, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_STEP_NUM_TASKS="3")
    return subprocess.Popen([word for word in command(out, clips, "--progress", "json", *more) if word != "-q"], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def live_owner(out):
    """The owner file of a process elsewhere that lives; returns its path."""
    owner = os.path.join(out, "work", "owner-elsewhere-1-0")
    os.makedirs(os.path.dirname(owner), exist_ok=True)
    with open(owner, "w") as f:
        f.write("owner-elsewhere-1-0 elsewhere a-boot pid:[1] 1 1\n")
    return owner


def ranks():
    """The ranks of a job: one of them shows what all do, and none that fails ends before the others."""
    clips = make_list("ranks", 30)
    wanted = whole(clips, name="ranks-whole")
    bad = os.path.join(os.path.dirname(clips), "c004.npy")
    with open(bad, "rb+") as f:
        good = f.read()
        f.seek(0)
        f.write(b"no array")
    out = folder("ranks-out")
    job = [launched(out, clips, rank) for rank in range(2)]
    said = [run_.communicate(timeout=LIMIT) for run_ in job]
    check([run_.returncode for run_ in job] == [1, 1], f"ranks with a bad clip: {[run_.returncode for run_ in job]}: {said}")
    check("29 of 30 clips done, 1 failed" in said[0][0], f"rank 0 says {said[0]}")
    check(not said[1][0], f"rank 1 prints {said[1][0]}")
    check("1 of 30 clips failed" in said[0][1] and '"done":30,"total":30' in said[0][1], f"rank 0 says {said[0][1]}")
    check(all("c004.npy" in line for line in said[1][1].splitlines()), f"rank 1 says {said[1][1]}")
    # A rank whose disk is full leaves its clips to the others.
    def smaller():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    with open(bad, "wb") as f:
        f.write(good)
    out_ = folder("ranks-full")
    owner = live_owner(out_)  # it keeps the rank whose disk is full until the other one has begun

    def owners():
        return [name for name in os.listdir(os.path.dirname(owner)) if re.fullmatch(r"owner-[^.]*", name)]

    def wait_for_owners(n):
        until = time.monotonic() + LIMIT
        while len(owners()) != n and time.monotonic() < until:
            time.sleep(0.02)
        return len(owners()) == n
    full = launched(out_, clips, 1, preexec_fn=smaller)
    first = full.stderr.readline()
    check("File too large" in first and wait_for_owners(1), f"a rank whose disk is full says {first}")
    last = launched(out_, clips, 0)
    wait_for_owners(2)
    check(full.poll() is None, "a rank whose disk is full ends before the others")
    os.remove(owner)
    said = [run_.communicate(timeout=LIMIT) for run_ in (last, full)]
    check((last.returncode, full.returncode, *said[1]) == (0, 1, "", ""), f"after a full disk: {last.returncode} {full.returncode} {said}")
    same(out_, wanted, "after a rank whose disk is full")
    with open(bad, "wb") as f:
        f.write(b"no array")
    # A rank that has failed stays until the others have gone.
    out_ = folder("ranks-wait")
    owner = live_owner(out_)
    run_ = launched(out_, clips, 1)
    first = run_.stderr.readline()
    check("c004.npy" in first, f"a rank that fails says {first}")
    wait_for_owners(1)
    time.sleep(0.3)
    check(run_.poll() is None, "a rank that fails ends before the others")
    os.remove(owner)
    rest = run_.communicate(timeout=LIMIT)
    check((run_.returncode, *rest) == (1, "", ""), f"a rank that fails: status {run_.returncode}: {rest}")
    # Really under mpirun.
    if shutil.which("mpirun") is None:
        print("not run: ranks under mpirun: no mpirun here")
        return
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    mpirun = ["mpirun", "--oversubscribe", "-n"]
    words = [word for word in command(out, clips) if word != "-q"]
    shutil.rmtree(out)
    done = subprocess.run([*mpirun, "3", *words], capture_output=True, text=True, timeout=LIMIT, env=env)
    check(done.returncode == 1 and "29 of 30 clips done, 1 failed" in done.stdout and done.stdout.count("clips done") == 1 and
          done.stderr.count("1 of 30 clips failed") == 1, f"mpirun with a bad clip: {done.returncode} {done.stdout} {done.stderr}")
    with open(bad, "wb") as f:
        f.write(good)
    # SIGTERM, while another process has the clip that was mended.
    owner = live_owner(out)
    claim = os.path.join(out, "work", "000004.claim")
    os.link(owner, claim)
    run_ = subprocess.Popen([*mpirun, "2", "--mca", "odls_base_sigkill_timeout", "4", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    wait_for_owners(3)
    time.sleep(0.5)
    run_.terminate()
    said = run_.communicate(timeout=LIMIT)
    check(run_.returncode != 0 and said[0].count("29 of 30 clips done, 1 open") == 1 and
          said[1].count("cfp-gpu: interrupted") == 1, f"SIGTERM to mpirun: {run_.returncode} {said}")
    check(owners() == [os.path.basename(owner)], f"SIGTERM to mpirun leaves {owners()}")
    os.remove(claim)
    os.remove(owner)
    done = subprocess.run([*mpirun, "2", *words], capture_output=True, text=True, timeout=LIMIT, env=env)
    check(done.returncode == 0 and done.stdout.count("clips done") == 1, f"mpirun: {done.returncode} {done.stdout} {done.stderr}")
    same(out, wanted, "after SIGTERM to mpirun")


def parts():
    """--shard I/N, in one folder and in folders of their own."""
    clips = make_list("parts", 11)
    wanted = whole(clips, "--shard-clips", "2", name="parts-whole")
    out = folder("parts-one")
    for part in ("3/3", "1/3", "2/3"):
        run(out, clips, "--shard-clips", "2", "--shard", part)
    same(out, wanted, "three parts in one folder")
    found, rows = {}, []
    for part in (1, 2, 3):
        own = folder(f"parts-{part}")
        run(own, clips, "--shard-clips", "2", "--shard", f"{part}/3")
        found.update({name: data for name, data in result(own).items() if name.startswith("shard")})
        rows += result(own)["manifest"]
    check(found == {name: data for name, data in wanted.items() if name.startswith("shard")}, "parts: other shards")
    check(sorted(rows, key=lambda row: row["id"]) == wanted["manifest"], "parts: other lines")


def claims():
    """A claim of a process elsewhere is respected while it is touched, and taken over when it is not."""
    clips = make_list("claims", 6)
    wanted = whole(clips, name="claims-whole")
    out = folder("claims-out")
    shutil.copytree(folder("claims-whole"), out)
    work = os.path.join(out, "work")

    def leave(age):
        for name in os.listdir(out):
            if name != "run.json":
                os.remove(os.path.join(out, name))
        os.makedirs(work, exist_ok=True)
        owner = os.path.join(work, "owner-elsewhere-1-0")
        with open(owner, "w") as f:
            f.write("owner-elsewhere-1-0 elsewhere a-boot pid:[1] 1 1\n")
        os.utime(owner, (time.time() - age,) * 2)
        os.link(owner, os.path.join(work, "000002.claim"))
    leave(3600)
    run(out, clips)
    same(out, wanted, "after a process elsewhere died")
    leave(0)
    run_ = subprocess.Popen(command(out, clips), stderr=subprocess.PIPE, text=True)
    while len(lines(out) if os.path.exists(os.path.join(out, "manifest.jsonl")) else []) < 5 and run_.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)
    check(run_.poll() is None and not os.path.exists(os.path.join(work, "000002.json")), "a claim of another is not respected")
    os.remove(os.path.join(work, "000002.claim"))
    os.remove(os.path.join(work, "owner-elsewhere-1-0"))
    said = run_.communicate(timeout=LIMIT)[1]
    check(run_.returncode == 0, f"after a claim was given up: {said}")
    same(out, wanted, "after a claim was given up")


TESTS = (damaged, pipes, kills, terminates, full_disk, few_descriptors, small_disk, read_only, decoders_die, together,
         ranks, parts, claims)

if __name__ == "__main__":
    sys.exit(main(__doc__, TESTS))
