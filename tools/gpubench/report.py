"""Makes the table of cuda/README.md from times: medians, ratios, fractions of the floor. It needs no PyTorch and no device.

A result is one JSON object: device, date, versions {name: version}, command, peaks {precision: FLOP/s}, copy (bytes/s), notes [..],
and rows, each: network, precision, batch, gflop (of a clip), traffic [numbers a clip, weights] or null, refused (why the program
did not run) or null, and for each of ours, eager, compile the milliseconds of a batch by stage.
"""
from __future__ import annotations

from typing import Dict, List, Optional, Sequence

BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}

# heading, our stage, who else, their stage
COMPARED = (("forward", "forward", "eager", "forward"), ("compiled", "forward", "compile", "forward"),
            ("back-step", "backstep_published", "eager", "descent"), ("grad", "grad", "eager", "grad"),
            ("tubes", "tubes", "eager", "tubes"))


def first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


def wrong_with(result: object) -> str:
    """Why this is not a result; '' if it is one. It looks at rows and notes, which a later run reads."""
    def times(value: object) -> bool:
        return isinstance(value, dict) and all(isinstance(ms, (int, float)) or ms is None for ms in value.values())
    if not isinstance(result, dict) or not isinstance(result.get("rows"), list) or not isinstance(result.get("notes"), list):
        return "no rows or no notes"
    if not all(isinstance(note, str) for note in result["notes"]):
        return "a note is no text"
    for number, row in enumerate(result["rows"]):
        if not (isinstance(row, dict) and isinstance(row.get("network"), str) and row.get("precision") in list(BYTES) and
                type(row.get("batch")) is int and isinstance(row.get("refused"), (str, type(None))) and
                isinstance(row.get("gflop"), (int, float, type(None))) and
                all(times(row.get(way, {})) for way in ("ours", "eager", "compile"))):
            return f"row {number + 1}"
        moved = row.get("traffic")
        if moved is not None and not (isinstance(moved, list) and [type(n) for n in moved] == [int, int]):
            return f"row {number + 1}: traffic"
    return ""


def median(values: Sequence[float]) -> float:
    if not values:
        raise ValueError("the median of nothing")
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def floor_ms(row: dict, result: dict) -> Optional[float]:
    """The least milliseconds of a forward pass of the batch: its FLOP at the measured rate of matrix products, or its bytes at
    the measured rate of a copy, whichever is longer. None if one of them is not known."""
    peak, copy = result.get("peaks", {}).get(row["precision"]), result.get("copy")
    if not peak or not copy or not row.get("gflop") or not row.get("traffic"):
        return None
    moved, weights = row["traffic"]
    size = (moved * row["batch"] + weights) * BYTES[row["precision"]]
    return max(row["gflop"] * 1e9 * row["batch"] / peak, size / copy) * 1e3


def ms(value: Optional[float]) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def ratio(ours: Optional[float], theirs: Optional[float]) -> str:
    """How many times as long they take."""
    return "-" if not ours or theirs is None else f"{theirs / ours:.2f}"


def table_row(row: dict, result: dict) -> str:
    ours: Dict[str, float] = row.get("ours", {})
    floor, forward = floor_ms(row, result), ours.get("forward")
    cells: List[str] = [row["network"], row["precision"], str(row["batch"]), ms(forward),
                        "-" if floor is None or not forward else f"{100 * floor / forward:.0f} %"]
    for heading, stage, way, theirs in COMPARED:
        other = row.get(way, {}).get(theirs)
        if heading not in ("forward", "compiled"):
            cells.append(ms(ours.get(stage)))
        cells += [ms(other), ratio(ours.get(stage), other)]
    cells.append(ms(ours.get("backstep")))
    return "| " + " | ".join(cells) + " |"


HEADINGS = ("network", "precision", "batch", "forward", "of the floor", "eager", "ratio", "compiled", "ratio", "back-step, depth 2",
            "published way", "ratio", "grad", "autograd", "ratio", "tubes", "PyTorch", "ratio", "back-step, all depths")


def markdown(result: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    peaks = ", ".join(f"{precision} {peak * 1e-12:.3g}" for precision, peak in result.get("peaks", {}).items())
    lines = [f"Measured on {result['device']}, {result['date']}; {versions}. By `{result['command']}`.", ""]
    if peaks and result.get("copy"):
        lines += [f"The floor: FLOP at the rate of a large matrix product (TFLOP/s: {peaks}) or bytes at that of a copy "
                  f"({result['copy'] * 1e-9:.4g} GB/s), whichever takes longer.", ""]
    lines += ["Milliseconds of a batch, medians, from the clip in host memory to results in host memory. Ratio: PyTorch's time over "
              "ours, above 1 is faster.", "",
              "| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    lines += [table_row(row, result) for row in result["rows"] if not row.get("refused")]
    refused: Dict[str, List[str]] = {}
    for row in result["rows"]:
        if row.get("refused"):
            refused.setdefault(row["refused"], []).append(f"{row['network']} {row['precision']} batch {row['batch']}")
    lines += [""] if refused or result.get("notes") else []
    lines += [f"* Not run: {why} ({len(rows)}: {', '.join(rows[:4])}{', ...' if len(rows) > 4 else ''})" for why, rows in refused.items()]
    lines += [f"* {note}" for note in result.get("notes", [])]
    return "\n".join(lines) + "\n"
