"""What import-torch and import-onnx share: preprocessing, the list of operations that have no counterpart, the file."""
from __future__ import annotations

import argparse
import sys
from math import prod
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from . import class_names, heads, profiles, progress
from .failure import ImportFailure, note
from .lowering import MOST_ELEMENTS, Lowering
from .profiles import Profile
from .tidy import renamed, tidy
from .views import C, N, View, joined, times, whole
from .write import summary, write_model


class Refusal(NamedTuple):
    """A node without a counterpart."""
    name: str
    op: str
    reason: str


class Refused(ImportFailure):
    """Operations cannot be mapped. spelling: it may be only how they are written, and another tracer may spell them out."""

    def __init__(self, text: str, refusals: Iterable[Refusal]):
        super().__init__(text)
        self.spelling = all(refusal.reason == "no counterpart" or refusal.reason.startswith(_SPELLING) for refusal in refusals)


_SPELLING = ("does not fit together", "attribute ", "an index ", "indices of both", "reads no tensor")


def bare(problem: Exception, name: str) -> str:
    """What is wrong, without the name that Network puts before it."""
    text = str(problem)
    return text[len(name) + 2:] if text.startswith(f"{name}: ") else text


def refuse(what: object, refusals: Iterable[Refusal], skipped: bool = False) -> None:
    """ImportFailure with every refusal, if there is one. skipped: others read what those would have given."""
    refusals = list(refusals)
    said = [f"{name} ({op}): {reason}" for name, op, reason in refusals]
    if said:
        raise Refused(f"{what}: {len(said)} of its operations cannot be mapped: {'; '.join(said)}"
                      + ("; what depends on these was not looked at" if skipped else ""), refusals)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    heads.add_arguments(parser, class_names.HELP + "default: those that --profile knows, or numbers; ")
    profiles.add_arguments(parser)
    progress.add_argument(parser)
    parser.set_defaults(program=parser.prog)


def want_preprocessing(args: argparse.Namespace, what: object) -> None:
    """Exits if no option says how clips are shown to the network."""
    if not args.profile and not (args.mean and args.std):
        print(f"{args.program}: {what}: --profile NAME (or --mean, --std, --frames and --size) is wanted: how are clips "
              "shown to it?", file=sys.stderr)
        sys.exit(2)


def profile_for(args: argparse.Namespace, what: object, channels: Optional[int], size: Tuple[Optional[int], ...],
                places: Mapping[str, str] = {}, likely: int = 3) -> Profile:
    """The preprocessing. channels, size (T, H, W): what the network itself fixes; None for what it leaves open. places: what
    "frames" and "size" are in the network's input. likely: the number of channels, where nothing says it."""
    want_preprocessing(args, what)
    frames, height, width = size
    for option, fixed in (("frames", {frames}), ("size", {height, width})):
        asked = getattr(args, option)
        if asked is not None and asked <= 0:
            raise ImportFailure(f"--{option}: {asked} is not positive")
        fixed -= {None}
        if asked is not None and fixed - {asked}:
            raise ImportFailure(
                f"--{option} {asked}: {what} reads {' x '.join(map(str, sorted(fixed)))}, and that is fixed"
                + (f" ({places[option]})" if option in places else ""))
    args.frames = args.frames or frames
    args.size = args.size or max(height or 0, width or 0) or None
    default = None
    if not args.profile and args.mean and args.std:
        channels = channels or max(len(args.mean), len(args.std), likely if len(args.mean) == len(args.std) == 1 else 1)
        if args.frames is None or args.size is None:
            wanted = [option for option in ("frames", "size") if getattr(args, option) is None]
            named = [f"--{option}{f' ({places[option]})' if option in places else ''}" for option in wanted]
            raise ImportFailure(f"{what}: fixes no size of its own: {' and '.join(named)} wanted")
        default = Profile("of the options", args.frames, 1, args.size, (0.0,) * channels, (1.0,) * channels,
                          resize_short=min(height or args.size, width or args.size))
    profile = profiles.chosen(args, default)
    if channels not in (None, profile.channels):
        raise ImportFailure(f"{what}: the network reads {channels} channels, {args.profile or 'the profile'} gives "
                            f"{profile.channels}")
    clip = (profile.channels, *(fixed or of_profile for fixed, of_profile in zip(
        size, (profile.frames, profile.size, profile.size))))
    if prod(clip) > MOST_ELEMENTS:
        raise ImportFailure(f"{what}: a clip of {times(clip)} is more than fits into memory")
    return profile


def _behind(net: Lowering, name: str, ops: Tuple[str, ...]) -> str:
    """The node that the nodes of these ops at the end of the graph read."""
    while name in net.nodes and net.nodes[name].op in ops and name not in net.logs:
        name = net.nodes[name].inputs[0]
    return name


def end_of_logs(what: object, net: Lowering, *outputs: str) -> List[str]:
    """A log_softmax at the end goes: the softmax of what it reads is that of what it gives. Any other is refused."""
    last, read, todo = {_behind(net, output, ("identity", "flatten")) for output in outputs}, set(), list(outputs)
    while todo:
        name = todo.pop()
        if name not in read and name in net.nodes:
            read.add(name)
            todo += net.nodes[name].inputs
    refuse(what, [Refusal(name, "log_softmax", "is known at the end of a network only")
                  for name in sorted(net.logs & read - last)])
    if last & net.logs and last - net.logs:
        raise ImportFailure(f"{what}: one of its heads ends in a log_softmax, another does not")
    net.ends_in_log = bool(last & net.logs)
    return ["the log_softmax at its end was left out: the probabilities are the same"] if net.ends_in_log else []


def averaged_head(net: Lowering, output: str) -> List[str]:
    """A mean over several positions after a softmax, which SPEC 2 cannot express."""
    head = _behind(net, output, ("identity", "flatten", "globalavgpool", "avgpool3d"))
    if head not in net.nodes or net.nodes[head].op not in ("softmax", "sigmoid") or prod(net.shape(head)[1:]) == 1:
        return []
    return [f"its scores are means of probabilities ({net.nodes[head].op} at {prod(net.shape(head)[1:])} positions); the program "
            "takes them for logits: their order is right, the probabilities that it prints are not the network's"]


def _scores_node(what: object, net: Lowering, output: object) -> str:
    """The node whose channels are the scores of the classes."""
    if not isinstance(output, View):
        raise ImportFailure(f"{what}: its output does not depend on its input")
    scores = net.settled(output)
    shape = net.shape(scores.node)
    if prod(shape[1:]) != 1 or prod(scores.shape) != net.batch * shape[0]:
        raise ImportFailure(f"{what}: its output is {times(output.shape)}; one score a class is wanted")
    per_clip = joined(atom for dim in scores.dims for atom in dim if atom.axis != N)
    if per_clip != whole((1, shape[0]))[C]:
        raise ImportFailure(f"{what}: its output {times(output.shape)} has the scores of {scores.node} in another order, "
                            "which a model file has no op for")
    return scores.node


def write_lowered(args: argparse.Namespace, what: object, net: Lowering, output: object, profile: Profile,
                  names: Callable[[Lowering], Dict[str, str]] = lambda net: {},
                  check: Callable[[Lowering, List[str]], None] = lambda net, outputs: None, *, name: str, source: str) -> str:
    """Writes the model file. output: a view, or one for each head. names: new names of nodes; check(net, outputs) may refuse
    the network before it is written. Returns a summary."""
    several = isinstance(output, dict)
    named = list(output) if several else [None]
    last = [_scores_node(f"{what}: {head}" if several else what, net, view)
            for head, view in zip(named, output.values() if several else [output])]
    counts = [net.shape(node)[0] for node in last]
    notes = end_of_logs(what, net, *last)
    last = tidy(net, *last)
    refuse(what, [Refusal(node.name, "erf", "is known inside of a GELU only: no counterpart") for node in net.nodes.values()
                  if node.op == "erf"])
    for node in last:
        notes += averaged_head(net, node)
    if not any(node.op in ("conv3d", "linear") for node in net.nodes.values()):
        raise ImportFailure(f"{what}: no convolution or linear layer leads to its output: nothing to explain")
    if len(set(last)) != len(last):
        raise ImportFailure(f"{what}: two of its heads are the same scores, those of {last[0]}")
    last = renamed(net, names(net), *last)
    files = [heads.class_file(args, head, named) for head in named]
    classes = [class_names.class_names(count, file, profile.classes) for count, file in zip(counts, files)]
    check(net, last)
    whole_list, outputs = (dict(zip(named, classes)), dict(zip(named, last))) if several else (classes[0], last[0])
    write_model(args.out, net, outputs, net.tensors, profile, whole_list, name=name, source=source)
    for count, file in zip(counts, files):
        notes += class_names.notes(count, file, profile.classes, f"as --profile {args.profile} says")
    for text in notes:
        note(args.program, f"{what}: {text}")
    return summary(args.out, name, net, whole_list, profile)
