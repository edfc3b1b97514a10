"""Makes compare.md from times: which repetitions count, medians, ratios, goals met or missed. It starts no process.

A result is one JSON object: machine, date, versions {name: version}, command, settings, probe {min, median, max, looks} of GFLOP/s
or null, ceiling (GFLOP/s, the best that a probe saw) or null, notes [..], and of each part (networks, rules, threads, scaling) its
rows: network, frames, size, gflop (of a clip) or null, refused (why there are no times) or null, and sides {name: {bursts,
peak_mb, start_s}}. A burst: ms {stage: [milliseconds of each repetition]}, before and after (GFLOP/s beside it, or null).
"""
from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from gpubench.report import median, ms

PARTS = ("networks", "rules", "threads", "scaling")

# Ours over the best of PyTorch 1.13, at most.
GOALS = {"mfnet": 0.45, "i3d": 0.80, "resnet-50": 0.90, "resnet-101": 0.97, "resnet-152": 0.97, "resnext-101": 0.80,
         "r2plus1d-18": 0.85, "r3d-18": 0.97, "x3d-m": 1.0, "densenet-121": 1.0, "s3d": 1.0, "slowfast-r50": 1.0}
EAGER_GOAL = 3.0                                  # PyTorch as the published code runs it over ours, at least
EAGER_NETWORKS = ("mfnet", "i3d", "resnet-50", "resnet-101", "resnet-152")
GRAD_GOAL, DESCENT_GOAL, TUBES_GOAL, START_GOAL, THREADS_GOAL = 1.3, 0.02, 1.25, 1.0, 1.8
TUBES_NETWORK = START_NETWORK = "resnet-50"

Side = dict


def counts(burst: dict, level: Optional[float], gate: float) -> bool:
    """The processor was about as fast as `level` before and after."""
    seen = (burst.get("before"), burst.get("after"))
    return level is None or None in seen or (min(seen) >= gate * level and max(seen) <= level / gate)


def level_of(row: dict, gate: float) -> Optional[float]:
    """The speed of the processor at which the sides of a row are compared. It is chosen so that the side with the fewest bursts at
    this speed has as many as possible; of several such speeds, the highest. None without a probe."""
    sides = [side["bursts"] for side in row["sides"].values()]
    seen = {min(burst["before"], burst["after"]) for bursts in sides for burst in bursts
            if burst.get("before") is not None and burst.get("after") is not None}
    return max(seen, default=None, key=lambda level: (min(sum(counts(burst, level, gate) for burst in bursts) for bursts in sides), level))


def bursts_that_count(row: dict, side: str, result: dict) -> List[dict]:
    gate = result["settings"]["gate"]
    level = level_of(row, gate) if gate else None
    return [burst for burst in row["sides"].get(side, {}).get("bursts", []) if counts(burst, level, gate)]


def repetitions(row: dict, side: str, stage: str, result: dict) -> List[float]:
    """What counts of a side's stage, milliseconds."""
    return [value for burst in bursts_that_count(row, side, result) for value in burst["ms"].get(stage, [])]


def middle(row: dict, side: str, result: dict, stage: str = "forward") -> Optional[float]:
    values = repetitions(row, side, stage, result)
    return median(values) if values else None


def spread(row: dict, side: str, result: dict, stage: str = "forward") -> str:
    values = repetitions(row, side, stage, result)
    return f"{ms(median(values))} ({ms(min(values))}-{ms(max(values))})" if values else "-"


def over(a: Optional[float], b: Optional[float]) -> Optional[float]:
    return a / b if a is not None and b else None


def plain(value: Optional[float], digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def verdict(value: Optional[float], goal: Optional[float], least: bool = False) -> str:
    """'met by 12 %', 'missed by 3 %' of the goal, which is a maximum or a minimum."""
    if value is None or goal is None:
        return "-"
    margin = (value / goal - 1) if least else (1 - value / goal)
    return f"met by {100 * margin:.0f} %" if margin >= 0 else f"**missed by {-100 * margin:.0f} %**"


def floor_ms(row: dict, result: dict) -> Optional[float]:
    """The network's nominal FLOP (padding counts) at the speed that the row is compared at."""
    level = level_of(row, result["settings"]["gate"] or 1)
    return row["gflop"] / level * 1e3 if row.get("gflop") and level else None


def peak(row: dict, side: str) -> Optional[float]:
    return row["sides"].get(side, {}).get("peak_mb")


def others(rows: Sequence[dict]) -> List[str]:
    """Sides beside ours and the two of this Python's PyTorch, in the order in which they came."""
    found: Dict[str, None] = {}
    for row in rows:
        found.update(dict.fromkeys(side for side in row["sides"] if side not in ("ours", "eager", "best")))
    return list(found)


def network_table(rows: List[dict], result: dict) -> Tuple[List[str], List[List[str]]]:
    more = others(rows)
    named = ["ours", "eager", "best", *more]
    heads = ["network", "clip", "GFLOP", "floor ms", "ours", "eager", "best", "ours/best", "goal", "", "eager/ours", "goal", "",
             *(head for name in more for head in (name, f"ours/{name}")), "peak MiB " + "/".join(named), "bursts that count"]
    lines = []
    for row in rows:
        ours, eager, best = (middle(row, side, result) for side in ("ours", "eager", "best"))
        goal, eager_goal = GOALS.get(row["network"]), EAGER_GOAL if row["network"] in EAGER_NETWORKS else None
        lines.append([row["network"], f"{row['frames']} x {row['size']}", plain(row["gflop"], 1), ms(floor_ms(row, result)),
                      *(spread(row, side, result) for side in ("ours", "eager", "best")), plain(over(ours, best)), plain(goal),
                      verdict(over(ours, best), goal), plain(over(eager, ours)), plain(eager_goal, 1),
                      verdict(over(eager, ours), eager_goal, least=True),
                      *(cell for name in more for cell in (spread(row, name, result),
                                                           plain(over(ours, middle(row, name, result))))),
                      "/".join(plain(peak(row, side), 0) for side in named), bursts_of(row, result)])
    return heads, lines


def bursts_of(row: dict, result: dict) -> str:
    return ", ".join(f"{name} {len(bursts_that_count(row, name, result))} of {len(side['bursts'])}" for name, side in row["sides"].items())


def rules_table(rows: List[dict], result: dict) -> Tuple[List[str], List[List[str]]]:
    heads = ["network", "clip", "forward", "with means", "means/forward", "descent", "means and descent", f"goal {DESCENT_GOAL:.0%}",
             "grad", "grad/forward", f"goal {GRAD_GOAL}", "tubes", "explained/forward", f"goal {TUBES_GOAL}", "start-up s",
             f"goal {START_GOAL:g} s", "peak MiB forward/means/grad/tubes", "bursts that count"]
    lines = []
    for row in rows:
        forward, means = middle(row, "forward", result), middle(row, "means", result)
        descent, grad = middle(row, "means", result, "backstep"), middle(row, "grad", result, "backstep")
        tubes, wall = middle(row, "tubes", result, "tubes"), middle(row, "start", result, "wall")
        explained = [middle(row, "tubes", result, stage) for stage in ("forward", "backstep", "tubes")]
        both = None if None in (forward, means, descent) else (means - forward + descent) / forward
        start = None if wall is None or forward is None else (wall - forward) * 1e-3
        total = None if None in explained else over(sum(explained), forward)
        own = row["network"]
        lines.append([own, f"{row['frames']} x {row['size']}", ms(forward), ms(means),
                      percent(over(None if None in (means, forward) else means - forward, forward)), ms(descent), percent(both),
                      verdict(both, DESCENT_GOAL), ms(grad), plain(over(grad, forward)), verdict(over(grad, forward), GRAD_GOAL),
                      ms(tubes), plain(total), verdict(total, TUBES_GOAL if own == TUBES_NETWORK else None), plain(start),
                      verdict(start, START_GOAL if own == START_NETWORK else None),
                      "/".join(plain(peak(row, side), 0) for side in ("forward", "means", "grad", "tubes")), bursts_of(row, result)])
    return heads, lines


def percent(value: Optional[float]) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def threads_table(rows: List[dict], result: dict) -> Tuple[List[str], List[List[str]]]:
    lines = []
    for row in rows:
        gain = over(middle(row, "1 thread", result), middle(row, "2 threads", result))
        lines.append([row["network"], spread(row, "1 thread", result), spread(row, "2 threads", result), plain(gain),
                      verdict(gain, THREADS_GOAL, least=True), bursts_of(row, result)])
    return ["network", "1 thread", "2 threads", "speed-up", f"goal {THREADS_GOAL}", "bursts that count"], lines


def scaling_table(rows: List[dict], result: dict) -> Tuple[List[str], List[List[str]]]:
    """A clip's cost in its pixels, against the network's own at the smallest clip of the same row of sizes."""
    lines = []
    first: Dict[Tuple[str, str], Tuple[float, float]] = {}
    for row in rows:
        pixels, ours = row["frames"] * row["size"] ** 2 * 1e-6, middle(row, "ours", result)
        each = over(ours, pixels)
        if each is not None:
            first.setdefault((row["network"], row["along"]), each)
        base = first.get((row["network"], row["along"]))
        lines.append([row["network"], row["along"], str(row["frames"]), str(row["size"]), plain(row["gflop"], 1),
                      spread(row, "ours", result), plain(over(row["gflop"], ours and ours * 1e-3), 0), plain(each),
                      plain(over(each, base)), plain(peak(row, "ours"), 0), bursts_of(row, result)])
    return ["network", "along", "frames", "size", "GFLOP", "ours", "GFLOP/s", "ms a megapixel", "over the first", "peak MiB",
            "bursts that count"], lines


TEXTS = {
    "networks": ("Forward pass, one clip, to the logits",
                 "Milliseconds: median (least-most). Ours: `bench --depth 0 --tubes none`, from the clip's bytes. Eager, best: PyTorch, "
                 "from the normalised clip: eval and no_grad; traced, frozen, optimised for inference. Of all sides the logits of one "
                 "clip were the same before anything was timed. Floor: nominal FLOP, padding taps too, at the speed of the row: a plain sum would take that long, minimal filtering takes less."),
    "rules": ("What an explanation adds to a forward pass",
              "Ours alone, medians. Forward: as above. With means: the forward pass of `--rule cfp` that also pools what every kernel "
              "layer reads. Descent: its back-step, all layers. Grad: the back-step of `--rule grad`, all layers. Explained: forward, "
              "back-step and the tubes of all layers, together. Start-up: the whole of `bench --runs 1 --warmup 0` on the clock, less "
              "a warm forward pass: loading, planning, and whatever a first pass pays."),
    "threads": ("Threads", "Forward pass, milliseconds: median (least-most)."),
    "scaling": ("Cost along frames and pixels", "Forward pass, milliseconds: median (least-most). A cost that is linear has the same "
                "milliseconds a megapixel (frames x size x size) in every row."),
}
TABLES = {"networks": network_table, "rules": rules_table, "threads": threads_table, "scaling": scaling_table}


def markdown(result: dict) -> str:
    settings, probe = result["settings"], result.get("probe")
    lines = [f"Measured on {result['machine']}, {result['date']}, {settings['threads']} threads; "
             + ", ".join(f"{name} {version}" for name, version in result["versions"].items()) + f". By `{result['command']}`."]
    if settings.get("lanes"):
        lines.append(f"Instructions kept to {settings['lanes']} on every side.")
    if result.get("environment"):
        lines.append("Environment: " + ", ".join(f"{key}={value}" for key, value in result["environment"].items()) + ".")
    if probe:
        lines += [f"Probe (FMA in registers, {probe['looks']} looks): {probe['min']:.0f} least, {probe['median']:.0f} median, "
                  f"{probe['max']:.0f} GFLOP/s most. The sides of a row are compared at one speed of the processor: a burst counts "
                  f"where the probe, before and after it, said at least {settings['gate']:.2f} and at most {1 / (settings['gate'] or 1):.2f} times "
                  f"the speed at which most can be compared."]
    else:
        lines += ["Without a probe: every repetition counts, whatever the clock did, and there is no floor."]
    for part in PARTS:
        rows = [row for row in result[part] if not row.get("refused")]
        if not rows:
            continue
        heads, cells = TABLES[part](rows, result)
        lines += ["", f"## {TEXTS[part][0]}", "", TEXTS[part][1], "", "| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads),
                  *("| " + " | ".join(row) + " |" for row in cells)]
    refused = [f"* Not run: {row['network']}, {part}: {row['refused']}" for part in PARTS for row in result[part] if row.get("refused")]
    few = [f"* {row['network']}, {part}: {name} has {len(bursts_that_count(row, name, result))} bursts that count, "
           f"{settings['rounds']} were wanted"
           for part in PARTS for row in result[part] if not row.get("refused") for name in row["sides"]
           if len(bursts_that_count(row, name, result)) < settings["rounds"]]
    notes = refused + few + [f"* {note}" for note in result["notes"]]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def wrong_with(result: object) -> str:
    """What makes it no result, '' where nothing does."""
    def number(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def burst_ok(burst: object) -> bool:
        return (isinstance(burst, dict) and isinstance(burst.get("ms"), dict) and
                all(isinstance(values, list) and all(number(v) for v in values) for values in burst["ms"].values()) and
                all(burst.get(key) is None or number(burst[key]) for key in ("before", "after")))

    def row_ok(row: object) -> bool:
        return (isinstance(row, dict) and isinstance(row.get("network"), str) and type(row.get("frames")) is int and
                type(row.get("size")) is int and (row.get("gflop") is None or number(row["gflop"])) and
                isinstance(row.get("refused"), (str, type(None))) and isinstance(row.get("along", ""), str) and
                isinstance(row.get("sides"), dict) and
                all(isinstance(side, dict) and isinstance(side.get("bursts"), list) and all(map(burst_ok, side["bursts"])) and
                    all(side.get(key) is None or number(side[key]) for key in ("peak_mb", "start_s"))
                    for side in row["sides"].values()))
    if not isinstance(result, dict) or not isinstance(result.get("settings"), dict) or not isinstance(result.get("machine"), str):
        return "no settings or no machine"
    if not isinstance(result.get("notes"), list) or not all(isinstance(note, str) for note in result["notes"]):
        return "no notes"
    if not (result.get("ceiling") is None or number(result["ceiling"])):
        return "ceiling"
    for part in PARTS:
        if not isinstance(result.get(part), list):
            return f"no {part}"
        for n, row in enumerate(result[part]):
            if not row_ok(row) or (part == "scaling" and "along" not in row):
                return f"{part}: row {n + 1}"
    return ""
