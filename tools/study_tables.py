"""The tables of tools/study, from the rows of cfp-gpu evaluate.

Rows are pooled over clips. Layers are pooled in three ranges of depth with as many layers each: late is next
to the classifier, early next to the input. A cell is a mean over clips and layers.
"""
from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Optional, TextIO

RANGES = ("early", "middle", "late")


def read(folder: Path) -> List[dict]:
    """All rows of a network: numbers as numbers, empty fields as None."""
    rows = []
    for number, path in enumerate(sorted(folder.glob("[0-9][0-9][0-9][0-9].csv"))):
        with open(path, newline="", encoding="utf-8") as f:
            for row in csv.DictReader(f):
                for key in ("depth", "share", "value", "chance", "percentile", "theta", "kernels", "ablated"):
                    row[key] = float(row[key]) if row[key] else None
                row["clip"] = number
                rows.append(row)
    return rows


def ranges(rows: List[dict]) -> Dict[str, str]:
    """{layer: early, middle or late}, by depth; layers of one depth stay together."""
    depth = {r["layer"]: r["depth"] for r in rows if r["layer"] and r["metric"].startswith("kernel-")}
    depth = depth or {r["layer"]: r["depth"] for r in rows if r["layer"]}
    ordered = sorted(depth, key=lambda layer: -depth[layer])
    place: Dict[float, int] = {}
    for k, layer in enumerate(ordered):
        place.setdefault(depth[layer], k)
    return {layer: RANGES[place[depth[layer]] * 3 // len(ordered)] for layer in ordered}


def mean(values: List[Optional[float]]) -> float:
    """Of those that are there; NaN where there are none."""
    there = [v for v in values if v is not None and not math.isnan(v)]
    return sum(there) / len(there) if there else math.nan


def cell(value: float, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def markdown(out: TextIO, title: str, head: List[str], lines: List[List[str]]) -> None:
    if lines:
        print(f"**{title}**\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}", file=out)
        for line in lines:
            print(f"| {' | '.join(line)} |", file=out)
        print(file=out)


def methods(rows: List[dict]) -> List[str]:
    return list(dict.fromkeys(r["method"] for r in rows))


def by_range(rows: List[dict], where: Dict[str, str], column: str) -> List[str]:
    """Early, middle, late and all, as cells."""
    pools = defaultdict(list)
    for r in rows:
        pools[where.get(r["layer"])].append(r[column])
    return [cell(mean(pools[name])) for name in RANGES] + [cell(mean(sum((pools[name] for name in RANGES), [])))]


def layer_table(out: TextIO, rows: List[dict], metric: str, column: str, title: str, where: Dict[str, str]) -> None:
    mine = [r for r in rows if r["metric"] == metric and r["layer"]]
    shares = list(dict.fromkeys(r["share"] for r in mine))
    lines = []
    for method in methods(mine):
        for share in shares:
            those = [r for r in mine if r["method"] == method and r["share"] == share]
            if those:
                lines.append([f"`{method}`", words_of(share)] + by_range(those, where, column))
    markdown(out, title, ["method", "kernels", *RANGES, "all"], lines)


def words_of(share: Optional[float]) -> str:
    return "selected" if share is None else f"{100 * share:g} %"


def pyramid_table(out: TextIO, rows: List[dict], metric: str) -> None:
    mine = [r for r in rows if r["metric"] == metric]
    lines = []
    for method in methods(mine):
        for share in dict.fromkeys(r["share"] for r in mine):
            those = [r for r in mine if r["method"] == method and r["share"] == share]
            if not those:
                continue
            kept = mean([r["ablated"] / r["kernels"] for r in those if r["ablated"] is not None and r["kernels"]])
            lines.append([f"`{method}`", words_of(share), cell(100 * (1 - kept if metric == "pyramid-keep" else kept), 0) + " %"]
                         + [cell(mean([r[c] for r in those])) for c in ("value", "chance", "percentile")])
    what = "keeps" if metric == "pyramid-keep" else "removes"
    markdown(out, f"`{metric}`", ["method", "kernels", f"{what} of all kernels", "value", "random", "percentile"], lines)


def volume_table(out: TextIO, rows: List[dict], metric: str, where: Dict[str, str]) -> None:
    """A volume of a layer counts in its range; one of the clip, or of a map of no layer, has the last column alone."""
    mine = [r for r in rows if r["metric"] == metric]
    lines = []
    for method in methods(mine):
        those = [r for r in mine if r["method"] == method]
        layered = [r for r in those if r["layer"] in where]
        cells = by_range(layered, where, "value") if layered else ["", "", "", cell(mean([r["value"] for r in those]))]
        lines.append([f"`{method}`", *cells, cell(mean([r["chance"] for r in those]))])
    markdown(out, f"`{metric}`", ["method", *RANGES, "all", "chance"], lines)


def verdicts(rows: List[dict], where: Dict[str, str]) -> List[str]:
    """Against mean activation: in how many ranges each method's percentile is higher, and where it is not."""
    mine = [r for r in rows if r["metric"] == "kernel-drop" and r["layer"] and r["share"] is not None]
    pools = defaultdict(list)
    for r in mine:
        pools[r["method"], r["share"], where.get(r["layer"])].append(r["percentile"])
    shares, said = sorted({r["share"] for r in mine}), []
    for method in methods(mine):
        if method == "activation" or not any(r["method"] == "activation" for r in mine):
            continue
        worse = [f"{name} at {100 * s:g} %" for s in shares for name in RANGES
                 if (method, s, name) in pools and mean(pools[method, s, name]) <= mean(pools["activation", s, name])]
        said.append(f"`{method}`: " + ("better than `activation` in every range" if not worse
                                       else f"not better than `activation`: {', '.join(worse)}"))
    return said


def summary(rows: List[dict], where: Dict[str, str], network: str) -> List[List[str]]:
    """A line a method: kernel-drop at the share next to a quarter, pyramid-keep at the one next to a half and as selected."""
    drop = [r for r in rows if r["metric"] == "kernel-drop" and r["layer"] and r["share"] is not None]
    keep = [r for r in rows if r["metric"] == "pyramid-keep"]
    shares = {r["share"] for r in drop}
    quarter, half = (min(shares, key=lambda s: abs(s - wanted), default=None) for wanted in (0.25, 0.5))
    lines = []
    for method in methods(drop):
        cells = by_range([r for r in drop if r["method"] == method and r["share"] == quarter], where, "percentile")[:3]
        mine = [r for r in keep if r["method"] == method]
        chosen = [r for r in mine if r["share"] is None]
        size = 100 * (1 - mean([r["ablated"] / r["kernels"] for r in chosen]))
        lines.append([network, f"`{method}`", *cells, cell(mean([r["value"] for r in mine if r["share"] == half])),
                      cell(mean([r["value"] for r in chosen])), cell(size, 0) + " %" if chosen else ""])
    return lines


SUMMARY = ["network", "method", *(f"`kernel-drop`, {name}" for name in RANGES), "`pyramid-keep` of half", "as selected", "selected"]


def write(folder: Path, out: TextIO) -> None:
    """First a table of all networks, then those of each."""
    lines = []
    for network in sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []:
        rows = read(network)
        if rows:
            lines += summary(rows, ranges(rows), network.name)
    markdown(out, "`kernel-drop`: percentile of a quarter of a layer's kernels. `pyramid-keep`: of half of each layer's, and of those selected",
             SUMMARY, lines)
    for network in sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []:
        rows = read(network)
        if not rows:
            continue
        where = ranges(rows)
        print(f"### {network.name}: {len({r['clip'] for r in rows})} clips, {len(where)} layers\n", file=out)
        layer_table(out, rows, "kernel-drop", "percentile",
                    "`kernel-drop`: the share of random sets whose ablation does less harm (0.5 is chance)", where)
        for line in verdicts(rows, where):
            print(f"- {line}", file=out)
        print(file=out)
        for metric in ("pyramid-keep", "pyramid-drop"):
            pyramid_table(out, rows, metric)
        layer_table(out, rows, "kernel-rank", "value", "`kernel-rank`: rank correlation with each kernel's own drop", where)
        for metric in ("energy", "pointing", "rank-accuracy", "iou"):
            volume_table(out, rows, metric, where)
        layer_table(out, rows, "class-jaccard", "value",
                    "`class-jaccard`: overlap with the second class's kernels (1: the class does not matter)", where)
        layer_table(out, rows, "weight-jaccard", "value",
                    "`weight-jaccard`: overlap with the kernels of re-drawn weights (1: the weights do not matter)", where)
