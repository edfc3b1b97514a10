"""The plan: the steps that are run on a GPU, the most important first, and the time of each.

Times are in seconds, for a data-centre GPU with 16 processors. `expected` decides whether a step begins; `limit` ends it.
"""
from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Optional

from .place import Place, cuda_tool

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
GROUPS = ("devices", "tests", "sizes", "bench", "sanitizer", "profile", "method", "compile")
FIRST_SECONDS = 5.0                                               # of the first step
SECOND = ("sanitizer", "profile", "method", "compile")            # the second part

# Machines where NVIDIA's tools do not work: no fault of ours.
NO_TOOL = (r"device (is )?not supported|ERR_NVGPUCTRPERM|not supported on (this|the) (device|platform)|"
           r"Failed to (connect|initialize)|Unable to find injection")
SANITIZED = (("primitives", ["--only", "primitives"]), ("relevance", ["--only", "relevance", "--cases", "40"]))
KERNELS = ("reduce", "add_slices", "back_step", "sum_channels", "route", "resize")
METRICS = ("gpu__time_duration.sum", "dram__bytes.sum.per_second", "dram__throughput.avg.pct_of_peak_sustained_elapsed",
           "sm__throughput.avg.pct_of_peak_sustained_elapsed", "sm__warps_active.avg.pct_of_peak_sustained_active",
           "launch__registers_per_thread", "launch__grid_size")


@dataclass
class Command:
    title: str
    words: List[str]
    missing: str = ""             # why it cannot run here: then it is skipped
    skip_where: str = ""          # a failure that says this is a skip
    folder: Optional[Path] = None

    def shown(self) -> str:
        return " ".join(map(shlex.quote, self.words))


@dataclass
class Step:
    name: str
    group: str
    title: str
    expected: float
    limit: float
    commands: Callable[[float], List[Command]]                    # of the seconds that it may take; they run side by side
    makes_models: bool = False                                    # they are made beside it and what follows
    wants_models: bool = False                                    # so long it waits


@dataclass
class Plan:
    place: Place
    work: Path
    python: str
    bench: List[str] = field(default_factory=list)                # options of gpu-bench from the command line
    dry: bool = False                                             # the simulator, tiny networks

    # --- what the commands are made of ---

    def models(self) -> Path:
        bundled = self.place.root / "models"
        return bundled if bundled.is_dir() else self.work / "models"

    def model(self) -> Path:
        """Of published size."""
        return self.models() / ("resnet-50-0.0625x4x16.h5" if self.dry else "resnet-50.h5")

    def shipped(self) -> List[str]:
        return [str(self.place.root / "weights" / "motion.h5"), str(self.place.root / "datasets" / "motion" / "up.mp4")]

    def helper(self, title: str, name: str, *words: str, opens: bool = True) -> Command:
        """A test of the build; opens: the test takes the option --device."""
        path = self.place.helpers / name
        told = ["--device", self.place.device, "--module-dir", str(self.place.modules)] if opens else []
        return Command(title, [str(path), *told, *words], "" if path.is_file() else f"there is no {name} here", folder=self.work)

    def script(self, title: str, path: str, *words: str) -> Command:
        return Command(title, [self.python, str(self.place.root / path), "--cfp", str(self.place.cfp), "--device", self.place.device,
                               *words], folder=self.work)

    def gpu_bench(self, title: str, *words: str) -> Command:
        tiny = ["--width", "0.0625", "--frames", "4", "--size", "16", "--runs", "1", "--warmup", "0"] if self.dry else []
        return Command(title, [self.python, str(self.place.root / "tools" / "gpu-bench"), "--cfp", str(self.place.cfp), "--device",
                               self.place.device, "--out", str(self.work), "--models", str(self.models()), *tiny, *words])

    # --- the commands of each step ---

    def devices(self, _: float) -> List[Command]:
        smi = cuda_tool("nvidia-smi")
        return [Command("devices", [str(self.place.cfp), "devices"]), Command("version", [str(self.place.cfp), "--version"]),
                Command("driver", [smi or "nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,"
                                   "power.limit,mig.mode.current", "--format=csv"], "" if smi else "there is no nvidia-smi", skip_where="."),
                self._described()]

    def _described(self) -> Command:
        name = "cuda/describe_gpu" if (self.place.helpers / "cuda").is_dir() else "describe_gpu"
        command = self.helper("cuDNN's description of the device, cuBLASLt", name, str(self.work / "device.json"), opens=False)
        if self.dry:                      # it has none of its own
            command.words.append(str(self.place.root / "tests" / "cuda" / "devices" / "h100.json"))
        return command

    def operations(self, _: float) -> List[Command]:
        few = ["--seeds", "1", "--only", "add"] if self.dry else ["--seeds", "2"]
        return [self.helper(f"every op and primitive, {precision}", "check_backends", "--precision", precision, *few)
                for precision in PRECISIONS]

    def whole(self, _: float) -> List[Command]:
        layers = ["--layers", "fiber*"] if self.dry else []
        same = ('for run in one two; do "$1" explain -q "$2" "$3" --device "$5" --rule grad --depth "$6" --format h5 -o "$4/$run" || exit 1; done; '
                'cmp "$4/one/explanation.h5" "$4/two/explanation.h5" && echo "the same"')
        return [self.helper("batches, recorded and replayed", "test_batch", "--sums", "by-shape"),
                self.helper("tubes, frames and files, as the host's", "test_render"),
                self.script("the motion model, as ref explains it", "tests/cuda/check_device.py", *layers, *self.shipped()),
                Command("twice the same bytes", ["bash", "-c", same, "-", str(self.place.cfp), *self.shipped(), str(self.work / "twice"),
                                                 self.place.device, "2" if self.dry else "all"])]

    def sizes(self, _: float) -> List[Command]:
        few = ["--precisions", "fp32"] if self.dry else []
        command = self.helper("ResNet-50 of published size, as the processor has it", "check_network", *few, str(self.model()))
        return [self._of_model(command)]

    def batch_of_eight(self, _: float) -> List[Command]:
        clips, few = ("2", "fp32") if self.dry else ("8", "bf16,tf32")
        return [self._of_model(self.helper(f"the same, {clips} clips at once", "check_network", "--batch", clips, "--precisions", few,
                                           str(self.model())))]

    def _of_model(self, command: Command) -> Command:
        if not command.missing and not self.model().is_file():
            command.missing = f"there is no {self.model().name}: Python has no h5py to make it, or it took too long"
        return command

    def benchmark(self, seconds: float) -> List[Command]:
        few = ["--networks", "resnet-50", "--precisions", "fp32", "--batches", "1", "--no-peers"] if self.dry else ["--core"]
        return [self.gpu_bench("against PyTorch", "--autotune", "--resume", "--seconds", f"{max(1.0, 0.9 * seconds):.0f}",
                               *(self.bench or few))]

    def sanitizer(self, tool: str, _: float) -> List[Command]:
        path = cuda_tool("compute-sanitizer")
        found = []
        for what, words in (*SANITIZED, ("tubes", [])):
            command = self.helper(f"{tool}, {what}", "check_backends" if words else "test_render", *words)
            command.words = [path or "compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *command.words]
            command.missing = command.missing or ("" if path else "there is no compute-sanitizer (it comes with the CUDA toolkit)")
            command.skip_where = NO_TOOL
            found.append(command)
        return found

    def profile(self, _: float) -> List[Command]:
        path = cuda_tool("ncu")
        words = [path or "ncu", "--profile-from-start", "off", "--kernel-name", f"regex:^({'|'.join(KERNELS)})_kernel", "--launch-count",
                 "600", "--csv", "--page", "raw", "--metrics", ",".join(METRICS), str(self.place.cfp), "bench", str(self.model()), "-q",
                 "--device", self.place.device, "--precision", "bf16", "--profile", "--runs", "1", "--warmup", "1"]
        return [self._of_model(Command(f"ncu: {', '.join(KERNELS)}", words, "" if path else
                                       "there is no ncu (NVIDIA Nsight Compute)", NO_TOOL))]

    def method(self, _: float) -> List[Command]:
        few = ["--seeds", "1", "--cases", "1"] if self.dry else ["--seeds", "3"]
        model = ["--model", self.shipped()[0]]        # hundreds of times it is planned anew
        batches = [] if self.dry else [self.helper("batches of the motion model", "test_batch", "--sums", "by-shape", *model)]
        return [self.script("explanations as the method in Python", "tests/oracle/check_method.py", *few), *batches]

    def compiled(self, seconds: float) -> List[Command]:
        row = ["--networks", "resnet-50", "--precisions", "fp32" if self.dry else "bf16", "--batches", "1", "--resume", "--autotune"]
        return [self.gpu_bench("one row with torch.compile", *row, *(["--no-peers"] if self.dry else ["--compile"]))]

    def models_made(self) -> Optional[Command]:
        if (self.place.root / "models").is_dir():
            return None
        few = ["--networks", "resnet-50"] if self.dry else ["--core"]
        command = self.gpu_bench("models, made beside the tests", "--models-only", *few)
        command.skip_where = "no model file can be made"
        return command

    # --- the order ---

    def first(self) -> List[Step]:
        return [
            Step("devices", "devices", "devices and versions", FIRST_SECONDS, 30, self.devices, makes_models=True),
            Step("operations", "tests", "every op and primitive", 60, 120, self.operations),
            Step("whole", "tests", "replay, tubes, the motion model", 40, 90, self.whole),
            Step("sizes", "sizes", "published sizes", 40, 90, self.sizes, wants_models=True),
            Step("bench", "bench", "the benchmark", 60, 300, self.benchmark, wants_models=True)]

    def second(self) -> List[Step]:
        checks = [Step(tool, "sanitizer", f"compute-sanitizer, {tool}", 30, 60, lambda s, tool=tool: self.sanitizer(tool, s))
                  for tool in ("memcheck", "racecheck")]
        return [*checks,
                Step("profile", "profile", "what six kernels do", 25, 60, self.profile, wants_models=True),
                Step("method", "method", "the method in Python, batches", 40, 150, self.method),
                Step("batch", "sizes", "published sizes, a batch", 40, 90, self.batch_of_eight, wants_models=True),
                Step("compile", "compile", "torch.compile", 90, 180, self.compiled, wants_models=True)]
