#!/usr/bin/env python3
"""An interrupt ends cfp-gpu, whatever it waits for.

    check_interrupt.py --cfp CFP_GPU --stall LIBRARY MODEL CLIP

LIBRARY (tests/stall.c) makes one call of the system never come back.  The program still has to end
within two seconds of a signal, with exit status 130, and leave no unfinished file.  The limit here
is wider by what a busy machine may need."""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIMIT = 10
failures = 0


def report(name, wrong):
    global failures
    failures += bool(wrong)
    print(f"{'FAIL' if wrong else 'ok  '} {name} {wrong}", flush=True)


def stalled(arguments, stall):
    """A cfp-gpu that has come to the call that never returns."""
    run = subprocess.Popen([options.cfp, *arguments, "--device", "cpu", "-q"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                           env=dict(os.environ, LD_PRELOAD=options.stall, CFP_STALL=stall))
    for line in run.stderr:
        if line == "stalled\n":
            return run
    run.wait()
    return None


def check(name, arguments, stall, signals, left=None):
    run = stalled(arguments, stall)
    if run is None:
        report(name, "it never came to the call that is to stall")
        return
    began = time.monotonic()
    for number in signals:
        run.send_signal(number)
        time.sleep(0.05)
    try:
        status = run.wait(LIMIT)
    except subprocess.TimeoutExpired:
        run.kill()
        status = f"none within {LIMIT} s"
        run.wait()
    took = time.monotonic() - began
    said = run.stderr.read().strip()
    wrong = ""
    if status != 130:
        wrong = f"status {status}, not 130"
    elif said != "cfp-gpu: interrupted":
        wrong = f"it says: {said}"
    elif left is not None and os.path.exists(left):
        files = [os.path.join(root, f) for root, _, found in os.walk(left) for f in found]
        files += [f for f in os.listdir(os.path.dirname(left)) if f.startswith(".cfp")]
        wrong = f"left: {files}" if files else ""
    report(name, wrong)
    return took


def check_full_pipe(name, arguments, stream):
    """Nobody reads the pipe that it writes to."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writer}
    run = subprocess.Popen([options.cfp, *arguments], **streams)
    try:
        run.wait(1)
        report(name, f"it ended with status {run.returncode} before it was interrupted")
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGINT)
        try:
            status = run.wait(LIMIT)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            status = f"none within {LIMIT} s"
        report(name, "" if status == 130 else f"status {status}, not 130")
    os.close(reader)
    os.close(writer)


def main():
    at = tempfile.mkdtemp()
    frames = os.path.join(at, "frames")
    os.makedirs(frames)
    for i in range(4):
        with open(os.path.join(frames, f"f_{i}.ppm"), "wb") as out:
            out.write(b"P6\n2 2\n255\n" + bytes(12))
    base = os.path.join(at, "explained")
    model, clip = options.model, options.clip
    name = os.path.basename(clip)
    check("predict: a video that does not open", ["predict", model, clip], "open:" + name,
          [signal.SIGINT])
    check("predict: a frame that does not open", ["predict", model, frames], "open:f_2.ppm",
          [signal.SIGTERM])
    check("explain: a video that does not open", ["explain", model, clip, "-o", base],
          "open:" + name, [signal.SIGHUP])
    check("explain: a file that does not get its name",
          ["explain", model, clip, "-o", base, "--format", "json"], "rename:", [signal.SIGINT],
          base)
    # The second signal ends it at once, tidily: sooner than the first alone would.
    check("a second Ctrl-C", ["explain", model, clip, "-o", base, "--format", "json"], "rename:",
          [signal.SIGINT, signal.SIGINT], base)
    check("Ctrl-C, then SIGTERM", ["predict", model, clip], "open:" + name,
          [signal.SIGINT, signal.SIGTERM])
    check_full_pipe("results into a full pipe", ["predict", model, clip, "--device", "cpu"], "stdout")
    check_full_pipe("an error into a full pipe", ["inspect", os.path.join(at, "none")], "stderr")
    shutil.rmtree(at)
    print(f"{failures} failed")
    return 1 if failures else 0


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--cfp", required=True)
parser.add_argument("--stall", required=True)
parser.add_argument("model")
parser.add_argument("clip")
options = parser.parse_args()
sys.exit(main())
