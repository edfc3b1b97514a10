"""Writes the tables of tools/study into README.md and tests/README.md.

A table is known by its head line, and all of it is replaced.  So are the numbers of clips and random sets in
the sentences about it.  Everything else in the files stays.
"""
from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Dict, List

import study_tables
from study_tables import RANGES, by_range, cell, mean

SHORT = "| network | early layers | middle | late | log-odds left | kernels selected |"
LONG = "| network | score | early | middle | late | half is kept | selected are kept | selected |"
WORSE = "| network | not better than mean activation |"
ENERGY = "| network | tube | early | middle | late | all layers | object's part of the clip |"
SAME = "| network | score | class: early | middle | late | weights: early | middle | late |"
PLAIN = {"explain": "**`explain` as it is**", "cfp": "`--rule cfp` (published)", "activation": "mean activation",
         "activation:baseline=blank": "mean of abs(activation - blank's)", "random": "random kernels"}
RULES = {"cfp": "--rule cfp", "cfp-path": "--rule cfp --propagate path", "grad-masked": "--rule grad",
         "grad": "--rule grad --mask none"}
OPTIONS = {"gradient-steps": "steps"}


def words_of(method: str) -> str:
    """A method of evaluate as the options of explain."""
    name, *options = method.split(":")
    if method in PLAIN or name not in RULES:
        return PLAIN.get(method, f"`{method}`")
    pairs = [option.split("=") for option in options]
    pairs.sort(key=lambda pair: pair[0] == "theta")
    return "`" + " ".join([RULES[name]] + [f"--{OPTIONS.get(k, k)} {v}" for k, v in pairs]) + "`"


def name_of(network: str) -> str:
    return "UCF-101" if "ucf101" in network else f"`{network}`"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def short_row(name: str, of: Dict[str, List[str]]) -> List[str]:
    """The default, and in brackets mean activation and the published rule; in bold where activation is as good."""
    if not {"explain", "activation", "cfp"} <= set(of):
        return []
    mine, activation, published = of["explain"], of["activation"], of["cfp"]
    pairs = [f"{a} ({b})" if float(a) > float(b) else f"**{a} ({b})**" for a, b in zip(mine[2:5], activation[2:5])]
    return [row(name, *pairs, f"{mine[6]} ({published[6]})", f"{mine[7]} ({published[7]})")]


def worse_row(name: str, rows: List[dict], where: Dict[str, str]) -> List[str]:
    said = [line for line in study_tables.verdicts(rows, where) if line.startswith("`explain`")]
    return [row(name, line.split("`activation`: ")[1] if "not better" in line else "nowhere") for line in said]


def energy_rows(name: str, rows: List[dict], where: Dict[str, str]) -> List[str]:
    mine, out = [r for r in rows if r["metric"] == "energy"], []
    for method in study_tables.methods(mine):
        those = [r for r in mine if r["method"] == method]
        layered = [r for r in those if r["layer"] in where]
        cells = by_range(layered, where, "value") if layered else ["", "", "", cell(mean([r["value"] for r in those]))]
        words = f"`{method}`" if method in ("activation", "random") else words_of(method)
        out.append(row(name, words, *cells, cell(mean([r["chance"] for r in those]))))
    return out


def sameness_rows(name: str, rows: List[dict], where: Dict[str, str]) -> List[str]:
    out = []
    for method in study_tables.methods([r for r in rows if r["metric"] in ("class-jaccard", "weight-jaccard")]):
        cells = [by_range([r for r in rows if r["metric"] == m and r["method"] == method], where, "value")[:len(RANGES)]
                 for m in ("class-jaccard", "weight-jaccard")]
        out.append(row(name, words_of(method), *cells[0], *cells[1]))
    return out


def tables(folder: Path) -> Dict[str, List[str]]:
    """{head line: rows}, of all networks."""
    out: Dict[str, List[str]] = {head: [] for head in (SHORT, LONG, WORSE, ENERGY, SAME)}
    for network in sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: (not p.name.startswith("motion"), p.name)):
        rows = study_tables.read(network)
        if not rows:
            continue
        where, name = study_tables.ranges(rows), name_of(network.name)
        lines = study_tables.summary(rows, where, network.name)
        out[LONG] += [row(name, words_of(line[1].strip("`")), *line[2:]) for line in lines]
        out[SHORT] += short_row(name, {line[1].strip("`"): line for line in lines})
        out[WORSE] += worse_row(name, rows, where)
        out[ENERGY] += energy_rows(name, rows, where)
        out[SAME] += sameness_rows(name, rows, where)
    return out


def counts(folder: Path) -> Dict[str, int]:
    """{what follows the number in the text: the number}: the fewest that any network has."""
    ours, theirs, draws = math.inf, math.inf, math.inf
    for network in (p for p in folder.iterdir() if p.is_dir()):
        rows = study_tables.read(network)
        if rows:
            clips = len({r["clip"] for r in rows})
            ours, theirs = (min(ours, clips), theirs) if network.name.startswith("motion") else (ours, min(theirs, clips))
            draws = min([draws, *(int(r["draws"]) for r in rows if r["metric"] == "kernel-drop")])
    numbers = {"clips of each of our networks": ours, "videos for": theirs, "random sets of each size": draws}
    return {words: int(n) for words, n in numbers.items() if n < math.inf}


def fill(text: str, of: Dict[str, List[str]], numbers: Dict[str, int]) -> str:
    """The text with new tables and numbers.  A table without rows stays as it is."""
    for head, rows in of.items():
        rule = "|" + " --- |" * (head.count("|") - 1)
        if rows:
            text = re.sub(rf"^{re.escape(head)}\n\|.*\n(\|.*\n)*", lambda _, new="\n".join([head, rule, *rows]): new + "\n",
                          text, flags=re.M)
    for words, n in numbers.items():
        after = r"\s+".join(words.split())
        text = re.sub(rf"\b\d+(?=\s+{after})", str(n), text)
    return text


def write(folder: Path, files: List[Path]) -> None:
    of, numbers = tables(folder), counts(folder)
    for path in files:
        path.write_text(fill(path.read_text(encoding="utf-8"), of, numbers), encoding="utf-8")
