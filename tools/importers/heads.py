"""Networks with several classifiers ("heads"), such as verb and noun: which outputs they are, and the names of their classes.

--head-names verb,noun says that the network gives one tensor of scores for each of these heads. If it gives a dictionary, or
outputs that have names, and all of the names are among these, they are taken by name. Otherwise they are taken in order.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Dict, List, Optional, Sequence, TypeVar

from .failure import ImportFailure

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser, classes_help: str) -> None:
    parser.add_argument("--head-names", default="", metavar="LIST", help="a network with several classifiers: their names, "
                        "such as verb,noun, in the order of its outputs, or those of its outputs' names that are wanted")
    parser.add_argument("--classes", action="append", default=[], metavar="FILE", help=classes_help + "of several classifiers "
                        "HEAD=FILE, once for each")


def names_of(args: argparse.Namespace) -> List[str]:
    """The heads of --head-names; none if the network has one classifier."""
    names = [name.strip() for name in args.head_names.split(",")] if args.head_names else []
    for name in names:
        if not name or name[0] == "." or "/" in name or "=" in name or names.count(name) > 1:
            raise ImportFailure(f"--head-names: '{args.head_names}': each head wants a name of its own, without / and =")
    return names


def by_name(what: object, heads: Sequence[str], given: Dict[str, T]) -> Dict[str, T]:
    """head -> what the network gives for it, of results that have names."""
    if set(heads) <= set(given):
        return {head: given[head] for head in heads}
    return in_order(what, heads, list(given.values()), f" ({', '.join(map(str, given))})")


def in_order(what: object, heads: Sequence[str], given: Sequence[T], called: str = "") -> Dict[str, T]:
    if len(given) != len(heads):
        raise ImportFailure(f"{what}: gives {len(given)} results{called}, --head-names has {len(heads)} names")
    return dict(zip(heads, given))


def class_file(args: argparse.Namespace, head: Optional[str], heads: Sequence[str]) -> Optional[Path]:
    """What --classes says of a head; of a network with one classifier if head is None."""
    if head is None:
        if len(args.classes) > 1:
            raise ImportFailure("--classes: is given twice")
        return Path(args.classes[0]) if args.classes else None
    found = []
    for value in args.classes:
        name, equals, file = value.partition("=")
        if not equals or name not in heads:
            raise ImportFailure(f"--classes: '{value}': HEAD=FILE is wanted, with one of the heads {', '.join(heads)}")
        found += [Path(file)] if name == head else []
    if len(found) > 1:
        raise ImportFailure(f"--classes: {head} is given twice")
    return found[0] if found else None
