#!/usr/bin/env python3
"""Compares the rows of `cfp-gpu sweep` on random networks with `explain` and with the method in Python.

Each network gets one sweep over every combination of options and many thresholds, on each device in
turn.  The rows are compared with:
  - the rules of the table: columns, order, one row for each combination, numbers, jaccard_previous
    where two thresholds select nested sets, --json, lists in any order;
  - `explain` with the same options at some thresholds: selected kernels and edges, exactly;
  - the method in plain numpy (oracle/method.py) at two thresholds of each series, except near ties.
Then it checks the figures, and what is left of a run that breaks off (a full disk, SIGINT, a clip that
cannot be read).

--no-comparison: every kind of run, but no comparison of its numbers with explain and the method.

Usage: check_sweep.py --cfp PROGRAM [--seeds N] [--first SEED] [--no-comparison]
"""
import argparse
import csv
import io
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "oracle"))
import program  # noqa: E402

COLUMNS = ("clip,class_index,class_name,probability,rule,mask,propagate,normalise,class_relevance,theta,layer,"
           "depth,kernels,selected,edges,jaccard_previous").split(",")
SERIES = ("clip", "class_index", "rule", "mask", "propagate", "normalise", "class_relevance")
KNOWS = {"cfp": ("propagate", "normalise", "class_relevance"), "reference": ("propagate", "class_relevance"),
         "grad": ("mask",)}
CHOICES = {"mask": ("selected", "none"), "propagate": ("edge", "path"), "normalise": ("minmax", "max"),
           "class_relevance": ("weights", "contribution", "contrast")}
wrong = []


def check(right, what):
    if not right:
        wrong.append(what)


def sweep(cfp, *arguments, status=0):
    done = subprocess.run([cfp, "sweep", *arguments, "-q"], capture_output=True, timeout=300)
    check(done.returncode == status, f"{arguments}: exit status {done.returncode}: {done.stderr.decode()}")
    return done


def rows_of(text):
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    check(text.split("\n", 1)[0] == ",".join(COLUMNS), f"columns {text[:200]!r}")
    check("\r" not in text and text.endswith("\n"), "rows must end in LF")
    return table


def series_of(rows):
    """{(clip, class, options): {theta as written: {layer: row}}}, in the order of the rows."""
    out = {}
    for row in rows:
        out.setdefault(tuple(row[c] for c in SERIES), {}).setdefault(row["theta"], {})[row["layer"]] = row
    return out


def check_table(rows, thetas, classes, where):
    """What holds for every sweep over all of CHOICES."""
    found = series_of(rows)
    wanted = []
    for c in classes:
        for rule in KNOWS:
            for words in itertools.product(*CHOICES.values()):
                key = tuple(w if name in KNOWS[rule] else "" for name, w in zip(CHOICES, words))
                if (c, rule, *key) not in wanted:
                    wanted.append((c, rule, *key))
    check([key[1:] for key in found] == wanted, f"{where}: series are {list(found)}, not {wanted}")
    for key, series in found.items():
        check(list(series) == ["%.9g" % t for t in thetas], f"{where} {key}: thetas {list(series)}")
        layers = {tuple(at) for at in series.values()}
        check(len(layers) == 1, f"{where} {key}: other layers at other thetas")
        before = None
        for theta, at in series.items():
            depths = [int(r["depth"]) for r in at.values()]
            check(depths == sorted(depths), f"{where} {key}: layers not by depth")
            for layer, row in at.items():
                if before is None:
                    check(row["jaccard_previous"] == "", f"{where} {key} {layer}: a first jaccard")
                    continue
                now, then = int(row["selected"]), int(before[layer]["selected"])
                nested = min(now, then) / max(now, then) if max(now, then) else 1.0
                if "selected" not in key:              # one gradient for all thetas: sets are nested
                    check(row["jaccard_previous"] == "%.9g" % nested,
                          f"{where} {key} {theta} {layer}: jaccard {row['jaccard_previous']}, not {nested}")
            before = at
        for layer in next(iter(layers)):
            check(any(at[layer]["selected"] != "0" for at in series.values()), f"{where} {key}: {layer} never visited")
    return found


def options_of(key, theta):
    import method
    o = method.Options(int(key[1]), key[2], theta)
    for name, word in zip(SERIES[3:], key[3:]):
        if word:
            setattr(o, name, word)
    return o


def compare(found, layers, what):
    """found: {layer: row}; layers: {name: (depth, kernels, selected, edges)}, edges None: unknown."""
    for name, row in found.items():
        got = (int(row["depth"]), int(row["kernels"]), int(row["selected"]), int(row["edges"]))
        *want, edges = layers.get(name, (*got[:2], 0, 0))
        want = (*want, got[3] if edges is None else edges)
        check(got == want, f"{what} {name}: (depth, kernels, selected, edges) are {got}, not {want}")
    check(set(layers) <= set(found), f"{what}: no rows of {set(layers) - set(found)}")


def explained(cfp, model, clip, key, theta, device, folder):
    o = options_of(key, float(theta))
    words = list(program.arguments(o))
    words[words.index("--theta") + 1] = repr(float(theta))
    done = subprocess.run([cfp, "explain", model, clip, *words, "--format", "h5", "-o", folder, "-q", "--device", device],
                          capture_output=True, timeout=120)
    if done.returncode != 0:
        check(False, f"explain {words}: {done.stderr.decode()}")
        return {}
    seen = program.read_explanation(os.path.join(folder, "explanation.h5"))
    return {name: (v.depth, v.channels, len(v.selected), 0 if v.edges is None else len(v.edges))
            for name, v in seen.layers.items()}


class Oracle:
    def __init__(self, graph, frames):
        import model_io
        import torch_net
        self.graph = graph
        self.values = torch_net.run(graph, model_io.prepare_clip(graph, frames), "float64")

    def layers(self, key, theta):
        """As compare() wants them; None for a near tie."""
        import method
        import torch_net
        result = method.explain(self.graph, self.values, options_of(key, theta),
                                lambda node, inputs, g: torch_net.backward_node(node, inputs, g, "float64"))
        if result.near:
            return None
        return {n: (v.depth, v.channels, len(v.relevance), None if v.weak else len(v.edges))
                for n, v in result.layers.items()}


def check_network(cfp, seed, folder, device, comparison):
    import numpy as np
    import random_graph
    rng = np.random.default_rng([seed, 7])
    model, clip = (os.path.join(folder, f"{seed}.{kind}") for kind in ("h5", "npy"))
    graph, frames = random_graph.generate(seed, model, clip)
    low, step = (0.0, 0.125) if seed % 2 else (0.1, 0.11)
    thetas = [low + k * step for k in range(9) if low + k * step <= 1 + step * 1e-9]
    common = [model, clip, "--class", "0,1" if len(graph.classes) > 1 else "0", "--device", device,
              "--rule", ",".join(KNOWS)]
    common += [x for name, words in CHOICES.items() for x in ("--" + name.replace("_", "-"), ",".join(words))]
    text = sweep(cfp, *common, "--theta", f"{low}:1:{step}").stdout.decode()
    rows = rows_of(text)
    classes = ["0", "1"] if len(graph.classes) > 1 else ["0"]
    found = check_table(rows, thetas, classes, f"seed {seed}")
    check_other_forms(cfp, common, rows, thetas, seed)
    if not comparison:
        return 0, 0
    oracle, ties = Oracle(graph, frames), 0
    for key, series in found.items():
        for k in rng.choice(len(thetas), 2, replace=False):     # two of them, to be cheap
            layers = oracle.layers(key, thetas[k])
            ties += layers is None
            if layers is not None:
                compare(series["%.9g" % thetas[k]], layers, f"seed {seed} {device} oracle {key} {thetas[k]:.9g}")
    keys = list(found)
    for k in rng.choice(len(keys), 5, replace=False):
        theta = thetas[rng.integers(len(thetas))]
        layers = explained(cfp, model, clip, keys[k], theta, device, os.path.join(folder, "out"))
        compare(found[keys[k]]["%.9g" % theta], layers, f"seed {seed} {device} explain {keys[k]} {theta:.9g}")
    return ties, 2 * len(found)


def check_compared(cfp, seed, device, folder, comparison):
    """--baseline, --steps and --turn-down: rows of rule grad equal what explain gives, and those of cfp do not mind."""
    model, clip = (os.path.join(folder, f"{seed}.{kind}") for kind in ("h5", "npy"))
    common = ["--device", device, "--threads", "1", "--theta"]
    plain = sweep(cfp, model, clip, *common, "0.2,0.6").stdout.decode().split("\n", 1)[1]
    for words in (["--baseline", "freeze"], ["--steps", "3"], ["--baseline", "shuffle", "--seed", "4", "--steps", "2"],
                  ["--baseline", "blank", "--turn-down", "0.4"], ["--baseline", clip + ".npy"]):
        if clip + ".npy" in words:
            import numpy as np
            np.save(words[1], np.load(clip)[::-1, ::-1])
        text = sweep(cfp, model, clip, *common, "0.2,0.6", "--rule", "cfp,grad", "--mask", "none,selected", *words).stdout.decode()
        check(text.split("\n", 1)[1].startswith(plain), f"seed {seed} {words}: other rows of cfp")
        found = series_of(rows_of(text))
        if not comparison:
            continue
        alone = sweep(cfp, model, clip, *common, "0.2,0.6", "--rule", "grad", "--mask", "none,selected", *words).stdout.decode()
        check(text.endswith(alone.split("\n", 1)[1]), f"seed {seed} {words}: beside cfp rule grad gives other rows")
        for key, series in found.items():
            if key[2] != "grad":
                continue
            for theta in ("0.2",) if key[3] == "none" else ("0.6",):
                out = os.path.join(folder, "compared")
                done = subprocess.run([cfp, "explain", model, clip, "-o", out, "--rule", "grad", "--mask", key[3], "--format", "h5",
                                       "--tubes", "none", "-q", *common, theta, *words], capture_output=True, timeout=120)
                check(done.returncode == 0, f"{words}: {done.stderr.decode()}")
                seen = program.read_explanation(os.path.join(out, "explanation.h5"))
                compare(series[theta], {n: (v.depth, v.channels, len(v.selected), 0 if v.edges is None else len(v.edges))
                                        for n, v in seen.layers.items()}, f"seed {seed} {device} {words} {key} {theta}")
    for words, piece in ((["--baseline", "blank"], "--baseline: rule cfp"), (["--steps", "2"], "--steps: rule cfp"),
                         (["--rule", "grad", "--turn-down", "0.5"], "--turn-down: needs a --baseline"),
                         (["--rule", "grad", "--baseline", "nowhere.npy"], "nowhere.npy: ")):
        done = sweep(cfp, model, clip, *common, "0.5", *words, status=1 if "nowhere.npy" in words else 2)
        one_line(done, piece, f"sweep {words}")


def check_other_forms(cfp, common, rows, thetas, seed):
    """--json gives the same rows; a list in another order, or one theta alone, gives the same counts."""
    data = json.loads(sweep(cfp, *common, "--theta", ",".join(map(repr, thetas)), "--json").stdout)
    said = [{k: "" if v is None else v for k, v in row.items()} for row in data["rows"]]
    numbers = ("class_index", "probability", "theta", "depth", "kernels", "selected", "edges", "jaccard_previous")
    same = [{k: float(v) if k in numbers and v != "" else v for k, v in row.items()} for row in rows]
    check(said == same, f"seed {seed}: --json has other rows")
    turned = thetas[::-1] + thetas[:1]
    back = series_of(rows_of(sweep(cfp, *common, "--theta", ",".join(map(repr, turned))).stdout.decode()))
    for key, series in series_of(rows).items():
        for theta, at in series.items():
            for layer, row in at.items():
                other = back[key][theta][layer]
                check((row["selected"], row["edges"]) == (other["selected"], other["edges"]),
                      f"seed {seed} {key} {theta} {layer}: depends on the order of the list")
    alone = series_of(rows_of(sweep(cfp, *common, "--theta", repr(thetas[3])).stdout.decode()))
    for key, series in alone.items():
        check(set(series) == {"%.9g" % thetas[3]}, f"seed {seed}: one theta became {set(series)}")
        for layer, row in series["%.9g" % thetas[3]].items():
            other = series_of(rows)[key]["%.9g" % thetas[3]][layer]
            check((row["selected"], row["edges"]) == (other["selected"], other["edges"]),
                  f"seed {seed} {key} {layer}: one theta alone differs")


def whole_rows(text):
    rows = list(csv.reader(io.StringIO(text, newline="")))
    return text.endswith("\n") and all(len(row) == len(COLUMNS) for row in rows)


def one_line(done, piece, what):
    lines = done.stderr.decode().splitlines()
    check(len(lines) == 1 and piece in lines[0], f"{what}: says {lines}")


def check_breaks(cfp, model, clip, folder):
    """What a run leaves that cannot go on."""
    table, many = os.path.join(folder, "table.csv"), ["--theta", "0:1:0.0005", "--device", "cpu", "--threads", "1"]

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300001, 300001))

    done = subprocess.run([cfp, "sweep", model, clip, *many, "--csv", table, "-q"], capture_output=True,
                          preexec_fn=small_files, timeout=120)
    check(done.returncode == 1, f"a file that may not grow: exit status {done.returncode}")
    one_line(done, "table.csv.part", "a file that may not grow")
    check(not os.path.exists(table), "a part of the table has its final name")
    with open(table + ".part", encoding="utf-8", newline="") as f:
        text = f.read()
    check(whole_rows(text) and 250000 < len(text) <= 300001, f"the part: {len(text)} bytes, ends {text[-80:]!r}")
    check(f"{text.count(chr(10)) - 1} rows" in done.stderr.decode(), "another number of rows is said")
    os.remove(table + ".part")
    with open(table, "wb") as out:
        done = subprocess.run([cfp, "sweep", model, clip, *many, "-q"], stdout=out, stderr=subprocess.PIPE,
                              preexec_fn=small_files, timeout=120)
    check(done.returncode == 1, f"standard output that may not grow: exit status {done.returncode}")
    one_line(done, "standard output: ", "standard output that may not grow")
    with open(table, encoding="utf-8", newline="") as f:
        check(whole_rows(f.read()), "standard output ends within a row")
    os.remove(table)
    for more in ([], ["--csv", "/dev/full"], ["--json"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([cfp, "sweep", model, clip, *many, *more, "-q"], stdout=full, stderr=subprocess.PIPE)
        check(done.returncode == 1, f"/dev/full {more}: exit status {done.returncode}")
        one_line(done, "not a regular file" if "--csv" in more else "No space left", f"/dev/full {more}")
    check([f for f in os.listdir(folder) if ".tmp" in f or "table" in f] == [], f"left: {os.listdir(folder)}")
    check_interrupt(cfp, model, clip, table, many)
    missing = os.path.join(folder, "missing.mp4")
    done = sweep(cfp, model, clip, missing, clip, "--theta", "0.5", "--csv", table, status=1)
    one_line(done, "missing.mp4: ", "a missing clip")
    with open(table, encoding="utf-8", newline="") as f:
        rows = rows_of(f.read())
    half = len(rows) // 2
    check(half > 0 and rows[:half] == rows[half:], "two clips around a missing one differ")
    os.remove(table)
    done = sweep(cfp, model, missing, "--theta", "0.5", "--csv", table, status=1)
    check(not os.path.exists(table), "a table without a row")
    before = os.path.getsize(model)
    done = sweep(cfp, model, clip, "--theta", "0.5", "--csv", model, status=2)
    one_line(done, "--csv: ", "a table over the model")
    check(os.path.getsize(model) == before, "the model was written over")


def check_plots(cfp, model, clip, folder):
    """Figures of both kinds, of one theta and of many, on as many pages as are wanted; the same bytes every time."""
    import xml.etree.ElementTree
    png, svg = (os.path.join(folder, "figure." + kind) for kind in ("png", "svg"))
    many = ["--rule", "cfp,reference,grad", "--propagate", "edge,path", "--normalise", "minmax,max", "--mask", "selected,none",
            "--class-relevance", "weights,contribution", "--threads", "1"]     # 8 + 4 + 2 series
    sizes = {}
    for thetas in ("0.5", "1,0.25,0.5,0.251"):
        for path in (svg, png) if thetas == "0.5" else (svg,):
            seen = []
            for _ in range(2 if path == svg else 1):
                sweep(cfp, model, clip, "--theta", thetas, "--plot", path, *many)
                pages = [f for f in sorted(os.listdir(folder)) if f.startswith("figure")]
                check(pages == ["figure-2" + path[-4:], "figure" + path[-4:]], f"{thetas}: pages {pages}")
                seen.append([open(os.path.join(folder, f), "rb").read() for f in pages])
                for f in pages:
                    os.remove(os.path.join(folder, f))
            check(seen[0] == seen[-1], f"{path} {thetas}: two runs, different bytes")
            sizes[path[-4:], thetas] = len(seen[0][1])
            if path == svg:
                for page in seen[0]:
                    root = xml.etree.ElementTree.fromstring(page)
                    check(root.tag.endswith("svg") and len(list(root.iter())) > 100, f"{thetas}: an empty figure")
            else:
                check(all(page.startswith(b"\x89PNG") and page.endswith(b"IEND\xaeB`\x82") for page in seen[0]), "no PNG")
    check(len(set(sizes.values())) == len(sizes), f"figures of other thresholds are the same: {sizes}")
    os.mkdir(os.path.join(folder, "none"))
    done = subprocess.run([cfp, "sweep", model, clip, "--theta", "0.5", "-q", "--plot",
                           os.path.join(folder, "none", "figure.png")], capture_output=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    check(done.returncode == 1, f"a figure that may not grow: exit status {done.returncode}")
    one_line(done, "figure.png: ", "a figure that may not grow")
    check(os.listdir(os.path.join(folder, "none")) == [], "half a figure")


def check_interrupt(cfp, model, clip, table, many):
    """SIGINT while rows are written: 130, and whole rows under another name."""
    slow = subprocess.Popen([cfp, "sweep", model, *[clip] * 400, *many, "--csv", table, "-q", "--progress", "json"],
                            stderr=subprocess.PIPE, text=True)
    for line in slow.stderr:
        if '"sweep"' in line and '"done":0,' not in line:
            break
    slow.send_signal(signal.SIGINT)
    said = [line for line in slow.stderr.read().splitlines() if not line.startswith("{")]
    check(slow.wait() == 130, f"SIGINT: exit status {slow.returncode}")
    check(len(said) == 1 and "interrupted" in said[0] and "table.csv.part" in said[0], f"SIGINT: says {said}")
    check(not os.path.exists(table), "SIGINT: a part of the table has its final name")
    with open(table + ".part", encoding="utf-8", newline="") as f:
        check(whole_rows(f.read()), "SIGINT: the part ends within a row")
    os.remove(table + ".part")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    parser.add_argument("--seeds", type=int, default=2, help="number of networks")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--device", default="ref,cpu", help="devices, taken in turn")
    parser.add_argument("--no-comparison", action="store_true", help="every kind of run alone")
    args = parser.parse_args()
    program.need_packages()
    ties = total = 0
    devices = args.device.split(",")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.first, args.first + args.seeds):
            found = check_network(args.cfp, seed, folder, devices[seed % len(devices)], not args.no_comparison)
            ties, total = ties + found[0], total + found[1]
        first = [os.path.join(folder, f"{args.first}.{kind}") for kind in ("h5", "npy")]
        for seed in range(args.first, args.first + args.seeds):
            check_compared(args.cfp, seed, devices[seed % len(devices)], folder, not args.no_comparison)
        check_breaks(args.cfp, *first, folder)
        check_plots(args.cfp, *first, folder)
    print(f"{total} series at a theta, {ties} near ties; {len(wrong)} wrong")
    print(*wrong[:20], sep="\n")
    check(ties <= total / 5, "too many near ties to say anything")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
