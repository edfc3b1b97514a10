"""Runs an importer in the process of the test, and compares the file that it wrote with the imported module."""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys
import traceback
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import torch  # noqa: E402 (after the path is set)
from run_model_file import FileModel  # noqa: E402


@dataclass
class Ended:
    status: object                     # 0, 1 ..., or "traceback"
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Tool:
    def __init__(self, name):
        loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "tools" / name))
        spec = importlib.util.spec_from_loader(loader.name, loader)
        self.name, self.module = name, importlib.util.module_from_spec(spec)
        loader.exec_module(self.module)
        from importers.failure import run
        self.run = run

    def __call__(self, *args, terminal=False):
        """terminal: standard error says that it is one."""
        out, err, kept, path = io.StringIO(), Terminal() if terminal else io.StringIO(), sys.argv, list(sys.path)
        sys.argv = [self.name, *map(str, args)]
        status = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                self.run(self.name, self.module.main)
            except SystemExit as end:
                status = end.code or 0
            except BaseException:
                status = "traceback"
                traceback.print_exc()
            finally:
                sys.argv, sys.path[:] = kept, path
        return Ended(status, out.getvalue(), err.getvalue())


class Checks:
    """Counts what failed and says it."""
    def __init__(self):
        self.failed, self.done = 0, 0

    def that(self, what, true, detail=""):
        self.done += 1
        if not true:
            self.failed += 1
            print(f"FAIL {what}: {detail}")
        return true

    def refused(self, what, ended, out, *words):
        """One line, status 1, those words in it, and no file."""
        lines = ended.err.splitlines()
        self.that(what, ended.status == 1 and len(lines) == 1 and all(word in ended.err for word in words)
                  and not out.exists() and not out.with_name(out.name + ".part").exists(),
                  f"status {ended.status}, file {out.exists()}, wanted {words}: {ended.out}{ended.err}")

    def mapped(self, what, ended):
        expected = ("weights are as the factory made them", "means of probabilities")
        said = [line for line in ended.err.splitlines() if not any(words in line for words in expected)]
        return self.that(what, ended.status == 0 and not said, f"status {ended.status}: {ended.err}")

    def end(self):
        print(f"{self.done} checks, {self.failed} failed")
        return 1 if self.failed else 0


def difference(a, b):
    """Relative to the largest magnitude."""
    a, b = a.reshape(-1).double(), b.reshape(-1).double()
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-6)) if a.shape == b.shape else float("inf")


def module_tensors(module, x):
    """The output, and what every module gave at its first call, by the module's path."""
    seen, hooks = {}, []

    def keep(path, out):
        if isinstance(out, torch.Tensor) and path not in seen:
            seen[path] = out.clone()      # what comes next may work in place

    for path, part in module.named_modules():
        hooks.append(part.register_forward_hook(lambda part, args, out, path=path: keep(path, out)))
    with torch.no_grad():
        output = module(x)
    for hook in hooks:
        hook.remove()
    return output, seen


def hold(checks, what, path, module, x, tolerance, tensors=True, other=(), kind=torch.float64):
    """The file against the module, both in `kind`: the output, and every tensor that both have. other: not those."""
    kept = next((p.dtype for p in module.parameters()), torch.float32)
    output, seen = module_tensors(module.to(kind), x.to(kind))
    module.to(kept)
    file = FileModel(path, kind)
    values = file.tensors(x)
    checks.that(f"{what}: output", difference(values[file.output], output) <= tolerance,
                f"differs by {difference(values[file.output], output):.1e}")
    both = [name for name in seen if name in values and name not in other] if tensors else []
    for name in both:
        checks.that(f"{what}: {name}", difference(values[name], seen[name]) <= tolerance,
                    f"differs by {difference(values[name], seen[name]):.1e}, "
                    f"{tuple(values[name].shape)} and {tuple(seen[name].shape)}")
    return file, len(both)
