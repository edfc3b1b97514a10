"""Finds the program, its tests and NVIDIA's libraries: in an unpacked bundle, in a new build, or in a finished build."""
from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

from .failure import Failure, why

# Folders below site-packages/nvidia that hold cuDNN, cuBLASLt and NVRTC: of CUDA 13's packages all but cuDNN lie in cu13.
PIP_FOLDERS = ("cudnn", "cu13", "cu12", "cublas", "cuda_nvrtc", "nvjitlink")


@dataclass
class Place:
    root: Path                    # the tree: tools, tests, weights, datasets
    cfp: Path                     # the program
    helpers: Path                 # the folder of its tests
    modules: Path                 # the folder of cfp_cuda.so
    device: str = "cuda"

    def fingerprint(self) -> str:
        """Of the program: results of another one are not gone on with."""
        try:
            return hashlib.sha256(self.cfp.read_bytes()).hexdigest()
        except OSError as problem:
            raise Failure(why(problem))


def run_within(words: List[str], seconds: Optional[float], **options) -> subprocess.CompletedProcess:
    """As subprocess.run, but the processes of the command end with it. Raises Failure if it takes longer than `seconds`."""
    try:
        with subprocess.Popen(words, start_new_session=True, text=True, errors="replace", **options) as child:
            try:
                out, err = child.communicate(timeout=seconds)
            except BaseException:             # also a signal
                os.killpg(child.pid, signal.SIGKILL)
                raise
    except subprocess.TimeoutExpired:
        raise Failure(f"{Path(words[0]).name} takes longer than {seconds:.0f} s: {' '.join(words[1:4])}")
    return subprocess.CompletedProcess(words, child.returncode, out or "", err or "")


def _last_line(done: subprocess.CompletedProcess) -> str:
    return ((done.stderr + done.stdout).strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def _unpack_parts(script: Path, work: Path, seconds: Optional[float]) -> Path:
    done = run_within(["sh", str(script), str(work)], seconds, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise Failure(_last_line(done))
    return Path(done.stdout.strip().splitlines()[-1])


def _unpack_file(bundle: Path, work: Path, seconds: Optional[float]) -> Path:
    done = run_within(["tar", "-xf", str(bundle), "-C", str(work)], seconds, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise Failure(f"--bundle {bundle}: it cannot be unpacked in {work}: {_reason(done.stderr)}")
    names = subprocess.run(["tar", "-tf", str(bundle)], stdout=subprocess.PIPE, text=True, errors="replace").stdout.splitlines()
    root = work / [name for name in names if name not in (".", "./")][0].split("/")[0]
    whole = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if whole.returncode:
        raise Failure(f"--bundle {bundle}: it is not whole (SHA256SUMS)")
    return root


def _reason(complaint: str) -> str:
    """Of tar's many lines the one that counts."""
    lines = complaint.strip().splitlines() or ["tar failed"]
    return next((line for line in lines if "No space" in line or "quota" in line), lines[0])


def bundled(root: Path) -> Place:
    return Place(root, root / "bin" / "cfp-gpu", root / "libexec", root / "lib" / "cfp-gpu")


def unpack(bundle: Path, work: Path, seconds: Optional[float]) -> Place:
    """bundle: one file, or the .unpack script in the folder of the parts."""
    return bundled((_unpack_parts if bundle.suffix == ".unpack" else _unpack_file)(bundle, work, seconds))


def build(root: Path, work: Path, cudnn: Optional[Path], seconds: Optional[float]) -> Place:
    """Only for the GPU of this machine."""
    built, log = work / "build", work / "build.log"
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DCFP_CUDA=ON", "-DCMAKE_CUDA_ARCHITECTURES=native"]
    options += [f"-DCUDNN_ROOT={cudnn}"] if cudnn else []
    with log.open("w") as out:
        for words in (["cmake", "-S", str(root), "-B", str(built), *options],
                      ["cmake", "--build", str(built), "--parallel", str(os.cpu_count() or 1)]):
            try:
                status = run_within(words, seconds, stdout=out, stderr=subprocess.STDOUT).returncode
            except OSError as problem:
                raise Failure(f"there is no build: {why(problem)}; tools/bundle makes one elsewhere, for --bundle FILE")
            if status:
                print("\n".join(log.read_text(errors="replace").splitlines()[-30:]))
                raise Failure("the build failed; what is missing to build with may be made elsewhere: tools/bundle, then --bundle FILE")
    return Place(root, built / "cfp-gpu", built / "tests", built)


def simulated(root: Path, built: Path) -> Place:
    """A finished build, with the simulator in the GPU's place."""
    modules = built / "tests" / "cuda" / "modules"
    if not (modules / "cfp-gpu").is_file():
        raise Failure(f"--dry-run: {modules}: there is no simulator; build the tests first (CFP_TESTS=ON)")
    return Place(root, modules / "cfp-gpu", built / "tests", modules, "cudasim")


# --- NVIDIA's libraries ---

def pip_folders(python: str) -> List[Path]:
    """Where that Python's packages have NVIDIA's libraries."""
    asked = run_within([python, "-c", "import nvidia; print(*nvidia.__path__, sep='\\n')"], 60, stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL)
    found = []
    for base in asked.stdout.splitlines() if asked.returncode == 0 else []:
        found += [Path(base) / name for name in PIP_FOLDERS if (Path(base) / name / "lib").is_dir()]
    return found


def library_folders(cudnn: Optional[Path], python: str) -> List[Path]:
    """For LD_LIBRARY_PATH: --cudnn first, with what pip lays beside it."""
    own = []
    if cudnn:
        own = [cudnn, *(cudnn.parent / name for name in PIP_FOLDERS if name != "cudnn")]
    every = [folder / "lib" for folder in own + pip_folders(python)]
    return list(dict.fromkeys(folder for folder in every if folder.is_dir()))


def environment(folders: List[Path]) -> Dict[str, str]:
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    before = [env["LD_LIBRARY_PATH"]] if env.get("LD_LIBRARY_PATH") else []
    if folders:
        env["LD_LIBRARY_PATH"] = ":".join([*map(str, folders), *before])
    return env


def cuda_tool(name: str) -> Optional[str]:
    """A program of the CUDA toolkit."""
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin" / name
    return shutil.which(name) or (str(home) if os.access(home, os.X_OK) else None)
