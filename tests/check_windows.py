#!/usr/bin/env python3
"""Windows out of videos: each frame equals the one that decoding the whole video gives.

    check_windows.py WINDOW_DUMP [--cfp CFP MODEL] [--real DIR] [--keep DIR]

Makes videos of every kind that seeking is known to go wrong with, and asks WINDOW_DUMP
(tests/window_dump.c).  For each kind it also says whether the frames have to be countable without
decoding: if they are not, every window decodes the whole file.  --cfp: also --start with
times, and --windows, through the program.  --real: the videos below DIR instead.  --keep: leave the made videos in DIR.  Exit status 77: there is no ffmpeg program."""
import argparse
import csv
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile

if shutil.which("ffmpeg") is None:
    print("skipped: no ffmpeg program")
    sys.exit(77)

failures = 0
KNOWN = set(subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True).stdout.split())


def report(name, good, text=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name} {text}", flush=True)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def source(seconds=2.4, size="96x64", rate=25):
    """Moving pictures with a cut in the middle, so that encoders use every kind of frame."""
    half = seconds / 2
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={half},format=yuv420p[a];"
            f"mandelbrot=size={size}:rate={rate},trim=duration={half},format=yuv420p[b];[a][b]concat"]


def x264(parameters="", gop=12, *more):
    return ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-g", gop, "-bf", 3, "-x264-params",
            "log-level=none" + (":" + parameters if parameters else ""), *more]


def x265(parameters=""):
    return ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
            "log-level=none:keyint=12:min-keyint=12:bframes=3:pools=1" + (":" + parameters if parameters else "")]


def asked(path, windows):
    done = subprocess.run([options.window_dump, path, str(windows)], capture_output=True, text=True, timeout=300)
    facts = {k: int(v) for k, v in (word.split("=") for word in done.stdout.split())}
    return facts, done.stderr.strip(), done.returncode


def compare(name, path, indexed=None, windows=7):
    """indexed None: either is right; 1: there is nothing to warn of.  A file of which nothing can be decoded
    has no windows."""
    facts, error, status = asked(path, windows)
    if status == 0 and not facts:
        return report(name, indexed is None, "no frames")
    good = status == 0 and facts["wrong"] == 0 and facts["counted"] == facts["frames"]
    report(name, good and indexed in (None, facts["indexed"]) and (indexed != 1 or error == ""), f"{facts} {error}")
    return error


def survives(name, path):
    """Wrong bytes: a window that meets none of them does not notice that frames elsewhere cannot be
    decoded, and counts them.  If none is lost, every frame is right."""
    facts, error, status = asked(path, 6)
    refused = status == 1 and "warning" not in error and error.count("\n") == 0 and error != ""
    lost = facts and facts["counted"] > facts["frames"]
    report(name, refused or (status == 0 and (not facts or lost or facts["wrong"] == 0)), f"{facts} {error}")


# Name: the encoder, then whether frames are countable without decoding.
KINDS = {
    "b.mp4": (x264(), 1),
    "pyramid.mkv": (x264("b-pyramid=strict:ref=4"), 1),
    "open.mp4": (x264("open-gop=1"), 1),
    "open.mkv": (x264("open-gop=1"), 1),
    "open.ts": (x264("open-gop=1"), 1),
    "refresh.mp4": (x264("intra-refresh=1:bframes=0"), 1),
    "no_b.mp4": (x264("bframes=0"), 1),
    "no_b.avi": (x264("bframes=0"), None),
    "slices.mp4": (x264("slices=4"), 1),
    "all_intra.mp4": (x264(gop=1), 1),
    "one_key.mp4": (x264(gop=1000), 1),
    "interlaced.mp4": (x264("interlaced=1"), 0),
    "b.avi": (x264(), 0), # no times of display
    "b.ts": (x264(), 1),
    "raw.h264": (x264(), 0),
    "raw_open.h264": (x264("open-gop=1"), 0),
    "vfr.mp4": (["-vf", "select='not(mod(n,7))+not(mod(n,5))'", "-fps_mode", "vfr", *x264()], 1),
    "vfr.mkv": (["-vf", "select='not(mod(n,7))+not(mod(n,5))'", "-fps_mode", "vfr", *x264()], 1),
    "fragmented.mp4": ([*x264(), "-movflags", "frag_keyframe+empty_moov"], 1),
    "fragments.mp4": ([*x264(), "-movflags", "+frag_every_frame+empty_moov+default_base_moof"], 1),
    "fast.mp4": ([*x264(), "-movflags", "+faststart"], 1),
    "live.mkv": ([*x264(), "-live", 1], 1), # no cues
    "late.mp4": ([*x264(), "-output_ts_offset", 100], 1),
    "late.ts": ([*x264(), "-output_ts_offset", 90000], 1),
    "late.mkv": ([*x264(), "-output_ts_offset", 100], 1),
    "negative.mp4": ([*x264(), "-avoid_negative_ts", "disabled", "-output_ts_offset", -1, "-use_editlist", 0], None),
    "negative_cts.mov": ([*x264(), "-movflags", "negative_cts_offsets"], 1),
    "wrapping.ts": ([*x264(), "-output_ts_offset", 95442], None), # passes 2^33 ticks within the clip
    "b.hevc": (x265(), 0),
    "open_hevc.mp4": (x265("open-gop=1"), 1),
    "closed_hevc.mp4": (x265("no-open-gop=1"), 1),
    "open_hevc.ts": (x265("open-gop=1:repeat-headers=1"), 1),
    "mpeg4.avi": (["-c:v", "mpeg4", "-g", 12], 1),
    "mpeg4_b.avi": (["-c:v", "mpeg4", "-g", 12, "-bf", 2], None),
    "mpeg4_b.mp4": (["-c:v", "mpeg4", "-g", 12, "-bf", 2], 1),
    "xvid.avi": (["-c:v", "libxvid", "-g", 12], None),
    "xvid_b.avi": (["-c:v", "libxvid", "-g", 12, "-bf", 2], None),
    "mpeg2.ts": (["-c:v", "mpeg2video", "-g", 12, "-bf", 2], 1),
    "mpeg2.mpg": (["-c:v", "mpeg2video", "-g", 12, "-bf", 2], 1),
    "mpeg2_closed.mkv": (["-c:v", "mpeg2video", "-g", 12, "-bf", 2, "-flags", "+cgop", "-sc_threshold", 1000000000], 1),
    "mpeg2_fields.ts": (["-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", 12], None),
    "mpeg1.mpg": (["-c:v", "mpeg1video", "-g", 12, "-bf", 2], 1),
    "vp8.webm": (["-c:v", "libvpx", "-g", 12, "-b:v", "200k", "-deadline", "realtime"], 1),
    "vp8_hidden.webm": (["-c:v", "libvpx", "-g", 24, "-b:v", "200k", "-auto-alt-ref", 1, "-lag-in-frames", 16], 1),
    "vp9.webm": (["-c:v", "libvpx-vp9", "-g", 24, "-b:v", "200k", "-auto-alt-ref", 1, "-lag-in-frames", 16, "-cpu-used", 8], 1),
    "vp9.mp4": (["-c:v", "libvpx-vp9", "-g", 12, "-b:v", "200k", "-cpu-used", 8], 1),
    "av1.mkv": (["-c:v", "libaom-av1", "-g", 24, "-cpu-used", 8, "-usage", "realtime", "-b:v", "200k"], 1),
    "mjpeg.avi": (["-c:v", "mjpeg"], 1),
    "raw.avi": (["-c:v", "rawvideo", "-t", 1], 1),
    "palette.avi": (["-c:v", "png", "-pix_fmt", "pal8"], None),
    "ffv1.mkv": (["-c:v", "ffv1", "-g", 12], 1),
    "huffyuv.avi": (["-c:v", "ffvhuff"], 1),
    "prores.mov": (["-c:v", "prores"], 1),
    "moving.gif": ([], 1),
    "moving.apng": (["-c:v", "apng", "-f", "apng", "-t", 1], None),
    "wmv.wmv": (["-c:v", "wmv2", "-g", 12], 0),
    "flash.flv": (["-c:v", "flv", "-g", 12], 0),
    "theora.ogv": (["-c:v", "libtheora", "-g", 12], 0),
}


def check_kinds(at):
    whole = os.path.join(at, "source.nut")
    ffmpeg(*source(), "-c:v", "ffv1", whole)
    made = []
    for name, (arguments, _) in KINDS.items():
        encoder = arguments[arguments.index("-c:v") + 1] if "-c:v" in arguments else None
        if encoder is None or encoder in KNOWN:
            made.append([*arguments, os.path.join(at, name)])
        else:
            print(f"skipped: {name}: this ffmpeg has no {encoder}")
    ffmpeg("-i", whole, *(word for words in made for word in words)) # one process: it takes long to start
    for name, (_, indexed) in KINDS.items():
        path = os.path.join(at, name)
        if os.path.exists(path):
            compare(name, path, indexed)


def check_cut(at):
    """Parts that were copied out of others: edit lists, streams that begin with frames that cannot be
    decoded."""
    for name in ("b.mp4", "open.mp4", "open_hevc.mp4", "mpeg4_b.mp4", "negative_cts.mov", "late.mp4"):
        cut = os.path.join(at, "edited_" + name) # an edit list leaves out the frames before -ss
        if os.path.exists(os.path.join(at, name)):
            ffmpeg("-ss", 1.3, "-i", os.path.join(at, name), "-t", 1, "-c", "copy", cut)
            compare("edited " + name, cut, None if "mpeg4" in name or "open" in name else 1)
    for name in ("open.ts", "open.mkv", "open_hevc.ts", "mpeg2.ts", "b.ts", "vp9.webm", "live.mkv"):
        cut = os.path.join(at, "cut_" + name)
        if os.path.exists(os.path.join(at, name)):
            ffmpeg("-ss", 1.3, "-i", os.path.join(at, name), "-c", "copy", "-copyinkf", cut)
            compare("cut " + name, cut)
    for name in ("b.ts", "open.ts", "open_hevc.ts", "mpeg2.ts", "raw.h264", "raw_open.h264", "mpeg1.mpg"):
        path, cut = os.path.join(at, name), os.path.join(at, "middle_" + name)
        if not os.path.exists(path):
            continue
        with open(path, "rb") as file, open(cut, "wb") as out:
            data = file.read()
            out.write(data[len(data) // 3 // 188 * 188:]) # begins in the middle of a group
        compare("middle of " + name, cut)
        with open(cut, "wb") as out:
            out.write(data + data) # time goes back in the middle
        compare("twice " + name, cut)
    with open(os.path.join(at, "joined.ts"), "wb") as out: # the size of frames changes
        ffmpeg(*source(1, "160x96"), *x264(), os.path.join(at, "other.ts"))
        for name in ("b.ts", "other.ts"):
            with open(os.path.join(at, name), "rb") as file:
                out.write(file.read())
    compare("two sizes", os.path.join(at, "joined.ts"), 0)
    sound = os.path.join(at, "sound.mp4")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=4", "-i", os.path.join(at, "b.mp4"), "-c:v", "copy", "-c:a", "aac", sound)
    compare("with sound", sound, 1)


def check_broken(at):
    """Files that end too early, and files with wrong bytes."""
    chance = random.Random(3)
    for name in ("b.mp4", "fast.mp4", "pyramid.mkv", "open.ts", "mpeg4.avi", "open_hevc.mp4", "vp9.webm", "mjpeg.avi",
                 "moving.gif", "mpeg2.mpg"):
        path = os.path.join(at, name)
        if not os.path.exists(path):
            continue
        with open(path, "rb") as file:
            data = file.read()
        for copy in range(3):
            broken = bytearray(data)
            if copy == 0:
                broken = broken[:len(data) * 2 // 3]
            else: # behind the headers, and before an index at the end
                for _ in range((0, 1, 20)[copy]):
                    broken[chance.randrange(len(data) // 10, len(data) * 9 // 10)] = chance.randrange(256)
            kept = os.path.join(at, f"broken{copy}_{name}")
            with open(kept, "wb") as out:
                out.write(broken)
            if copy == 0 and "mp4" not in name: # of those, the index at the end is lost
                said = compare(f"cut off: {name}", kept, windows=1) or ""
                if name.endswith((".mkv", ".webm", ".avi")): # their headers say how long they are
                    report(f"cut off: {name}: a warning", said.startswith("warning: ") and said.count("\n") == 0, said)
            else:
                survives(f"damaged {copy} {name}", kept)


def seconds_of(run):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check_cost(at):
    """A window costs the window: of a longer video, much less than decoding all of it."""
    path = os.path.join(at, "long.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30:duration=25", "-c:v", "libx264", "-preset", "ultrafast",
           "-g", 60, path)
    whole = seconds_of(lambda: asked(path, 0))
    with_windows = seconds_of(lambda: asked(path, 1))
    report("a window costs the window", with_windows - whole < whole / 3,
           f"all frames {whole:.2f} s, one window more {with_windows - whole:.2f} s")


def predicted(path, *words):
    """The answer of predict, or the one line that it says, warnings about the clip aside."""
    done = subprocess.run([options.cfp[0], "predict", options.cfp[1], path, "--json", "-q", "--check-input", "never",
                           *map(str, words)], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)["clips"][0]
    lines = [line for line in done.stderr.strip().split("\n") if "warning: " not in line]
    return lines[0] if len(lines) == 1 else f"{len(lines)} lines"


def times_of(path):
    """When each frame is shown, from the first one on, as ffprobe says."""
    text = subprocess.run(["ffprobe", "-v", "quiet", "-select_streams", "V:0", "-show_entries",
                           "frame=best_effort_timestamp_time", "-of", "csv=p=0", path], capture_output=True, text=True).stdout
    words = [line.split(",")[0] for line in text.split()]
    if "N/A" in words: # raw streams: the rate of the source
        return [i / 25 for i in range(len(words))]
    times = sorted(map(float, words))
    return [t - times[0] for t in times]


def check_times(at):
    for name in ("vfr.mkv", "vfr.mp4", "late.ts", "edited_b.mp4", "b.avi", "raw.h264", "moving.gif", "wmv.wmv", "cut_open.ts"):
        path = os.path.join(at, name)
        if not os.path.exists(path):
            continue
        times = times_of(path)
        asked, right = [], []
        for place in range(0, len(times) - 1, 3): # just after the frame appears, and just before the next one does
            asked += [f"{times[place] + 1e-3:.6f}", f"{times[place + 1] - 1e-3:.6f}"]
            right += [str(place)] * 2
        got = subprocess.run([options.window_dump, path, "at", *asked, "3600"], capture_output=True, text=True).stdout.split("\n")
        wrong = [wrong for wrong in zip(asked, right, got) if wrong[1] != wrong[2]]
        report(f"times of {name}", not wrong and len(got) > len(asked), wrong[:4])
        words = got[len(asked)].split(" behind the end of the clip, which is ")
        length = float(words[1].split()[0]) if len(words) > 1 else 0
        report(f"a time behind the end of {name}", times[-1] < length < times[-1] + 0.3, got[len(asked)])


def check_program(at):
    path = os.path.join(at, "vfr.mkv")
    for time, right in (("0s", 0), ("00:00:01.5", sum(t <= 1.5 for t in times_of(path)) - 1)):
        got = predicted(path, "--start", time, "--stride", 1)
        report(f"--start {time}", not isinstance(got, str) and got["indices"][0] == right, got)
    got = predicted(path, "--start", "1:00:00")
    report("--start behind the end", isinstance(got, str) and got.startswith("cfp-gpu: --start: 3600s is behind the end of"), got)
    folder = os.path.join(at, "folder")
    os.makedirs(folder, exist_ok=True)
    ffmpeg("-i", os.path.join(at, "b.mp4"), "-frames:v", 4, os.path.join(folder, "%03d.png"))
    got = predicted(folder, "--start", "0.1s")
    report("a folder has no times", isinstance(got, str) and "have no times" in got, got)


def check_averages(at):
    """The mean over windows is that of the windows one by one; sweep says what each of them says."""
    path, n = os.path.join(at, "vfr.mp4"), 2
    together = predicted(path, "--windows", n, "--top", 99, "--stride", 1)
    starts = [w["indices"][0] for w in together["windows"]]
    sums = {}
    for start in starts:
        for c in predicted(path, "--start", start, "--top", 99, "--stride", 1)["top"]:
            sums[c["index"]] = sums.get(c["index"], 0) + c["probability"] / n
    worst = max(abs(sums[c["index"]] - c["probability"]) for c in together["top"])
    ranked = [c["probability"] for c in together["top"]]
    frames = len(times_of(path))
    report("--windows: the mean of the probabilities", worst < 1e-6 and ranked == sorted(ranked, reverse=True) and
           starts[0] == 0 and together["windows"][-1]["indices"][-1] == frames - 1, f"starts {starts} of {frames}, {worst:.2g}")
    one, same = predicted(path, "--stride", 1), predicted(path, "--windows", 1, "--stride", 1)
    report("--windows 1 is the default", one == same)
    missing = predicted(os.path.join(at, "none.mp4"), "--windows", n)
    report("a missing clip is told once", missing == f"cfp-gpu: {at}/none.mp4: No such file or directory", missing)

    def swept(*words):
        text = subprocess.run([options.cfp[0], "sweep", options.cfp[1], path, "--theta", "0.5,0.7", "--stride", "1", "-q",
                               *map(str, words)], capture_output=True, text=True, check=True).stdout
        return list(csv.DictReader(io.StringIO(text)))
    rows = swept("--windows", n)
    best = together["top"][0]
    good = {int(r["start"]) for r in rows} == set(starts) and list(rows[0])[-1] == "start" and all(
        int(r["class_index"]) == best["index"] and abs(float(r["probability"]) - best["probability"]) < 1e-6 for r in rows)
    for start in starts:
        mine = [{**r, "start": None, "probability": None} for r in rows if int(r["start"]) == start]
        alone = [{**r, "start": None, "probability": None} for r in swept("--start", start, "--class", best["index"])]
        good = good and mine == alone and mine != []
    report("sweep --windows: each window's rows, of the class of all", good)


def check_made(at):
    check_kinds(at)
    check_cut(at)
    check_broken(at)
    check_cost(at)
    check_times(at)
    if options.cfp:
        check_program(at)
        check_averages(at)


def check_real(folder):
    for root, folders, files in sorted(os.walk(folder)):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith((".mp4", ".avi", ".mkv", ".mov", ".webm")):
                compare(name, os.path.join(root, name), windows=8)


def main():
    if options.real:
        check_real(options.real)
    elif options.keep:
        check_made(options.keep)
    else:
        with tempfile.TemporaryDirectory() as at:
            check_made(at)
    print(f"{failures} failed")
    return 1 if failures else 0


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("window_dump")
parser.add_argument("--cfp", nargs=2, metavar=("CFP", "MODEL"))
parser.add_argument("--real", metavar="DIR")
parser.add_argument("--keep", metavar="DIR")
options = parser.parse_args()
sys.exit(main())
