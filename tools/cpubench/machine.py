"""The name of the processor, and the environment that every side gets."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, List

# What changes the instructions or the threads of a side: named in the table where it is set.
TOLD = ("CFP_LANES", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "OPENBLAS_CORETYPE")


def describe() -> str:
    """'AMD EPYC, 2 processors, L2 2 MiB (2 instances), L3 32 MiB (1 instance)'"""
    found: Dict[str, str] = {}
    try:
        said = subprocess.run(["lscpu"], capture_output=True, text=True, timeout=20, env={**os.environ, "LC_ALL": "C"}).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    for line in said.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    name = found.get("Model name") or next(iter(_cpuinfo("model name")), "a processor without a name")
    caches = [f"{key[:3].rstrip()} {found[key]}" for key in ("L1d cache", "L2 cache", "L3 cache") if key in found]
    return ", ".join([name, f"{os.cpu_count()} processors", *caches])


def _cpuinfo(key: str) -> List[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key]


def environment(lanes: str) -> Dict[str, str]:
    """Of every side."""
    kept = {"CFP_LANES": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    return {**os.environ, **(kept if lanes == "avx2" else {})}


def peer_environment(shared: Dict[str, str], lanes: str, threads: int) -> Dict[str, str]:
    """The environment of PyTorch and the other runtimes. OpenBLAS before 0.3.22 does not know newer processors and runs kernels of
    2004 there, ten times slower. So OPENBLAS_CORETYPE is set to what this processor has, unless it is set already."""
    flags = set(" ".join(_cpuinfo("flags")[:1]).split())
    core = "SkylakeX" if "avx512f" in flags and lanes != "avx2" else "Haswell" if "avx2" in flags else ""
    more = {"OMP_NUM_THREADS": str(threads)}
    if core and "OPENBLAS_CORETYPE" not in shared:
        more["OPENBLAS_CORETYPE"] = core
    return {**shared, **more}
