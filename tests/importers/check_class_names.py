#!/usr/bin/env python3
"""The class lists of datasets/classes, and every form of a user's own list that the importers read or refuse.

    check_class_names.py [--annotations DIR]

--annotations: a folder with ucf101/classInd.txt, hmdb51/class_list.txt and kinetics400/label_map.txt as their data sets
publish them; the lists must say the same.  torchvision's list is compared where torchvision is installed.
"""
import argparse
import json
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from importers.class_names import FOLDER, PUBLISHED, class_names, read_classes  # noqa: E402
from importers.failure import ImportFailure  # noqa: E402

failed = 0


def check(name, good, text=""):
    global failed
    failed += not good
    if not good:
        print(f"FAIL {name} {text}")


PLACES = {  # as other publications of the same order have them
    400: {0: "abseiling", 5: "archery", 399: "zumba"}, 700: {0: "abseiling", 699: "zumba"},
    600: {74: "casting fishing line", 124: "cutting apple", 199: "golf putting", 488: "spinning poi",
          309: "passing american football (not in game)", 509: "swinging baseball bat"},
    101: {0: "ApplyEyeMakeup", 6: "BaseballPitch", 100: "YoYo"}, 51: {0: "brush_hair", 20: "kick", 50: "wave"},
}


def published():
    lists = {count: read_classes(FOLDER / f"{name}.txt") for count, name in PUBLISHED.items()}
    check("five lists", sorted(lists) == [51, 101, 400, 600, 700] and
          sorted(p.name for p in FOLDER.glob("*.txt")) == sorted(f"{name}.txt" for name in PUBLISHED.values()))
    for count, names in lists.items():
        text = (FOLDER / f"{PUBLISHED[count]}.txt").read_bytes()
        check(f"{count}: a name a line", text == "".join(f"{name}\n" for name in names).encode())
        check(f"{count}: so many", len(names) == count, len(names))
        check(f"{count}: each once", len(set(names)) == count)
        check(f"{count}: blanks", all(name == " ".join(name.split()) for name in names))
        # classInd.txt puts Hammering before HammerThrow: capitals do not count
        check(f"{count}: in order", names == sorted(names, key=str.lower if count == 101 else None))
        check(f"{count}: found by its number", class_names(count, None) == names)
    gone = {"bull fighting", "chopping vegetables", "picking fruit", "passing american football (not in game)"}
    check("600 and 700", set(lists[600]) - set(lists[700]) == gone)
    for count, places in PLACES.items():
        for index, name in places.items():
            check(f"{count}: {index}", lists[count][index] == name, lists[count][index])
    check("no list", class_names(3, None) == ["class 0", "class 1", "class 2"])
    try:
        from torchvision.models._meta import _KINETICS400_CATEGORIES
        check("torchvision's list", list(_KINETICS400_CATEGORIES) == lists[400])
    except ImportError:
        print("torchvision is not here: its list is not compared")
    return lists


def annotations(folder, lists):
    files = {101: "ucf101/classInd.txt", 51: "hmdb51/class_list.txt", 400: "kinetics400/label_map.txt"}
    for count, name in files.items():
        if (folder / name).exists():
            theirs = read_classes(folder / name)  # HMDB's has kick_ball and sword_exercise before kick and sword
            check(name, (sorted(theirs) if count == 51 else theirs) == lists[count])
        else:
            print(f"{folder / name} is not there: not compared")


READ = {  # of the classes a, b c, d
    "plain": "a\nb c\nd\n",
    "no last newline": "a\nb c\nd",
    "blank lines and margins": "\n  a  \n\nb c\n d\n\n",
    "Windows": "a\r\nb c\r\nd\r\n",
    "a byte order mark": "\ufeffa\nb c\nd\n",
    "classInd.txt, from 1": "1 a\n2 b c\n3 d\n",
    "numbers from 0": "0 a\n1\tb c\n2 d\n",
    "JSON list": '["a", "b c", "d"]',
    "JSON name to number": '{"d": 2, "a": 0, "b c": 1}',
    "pytorchvideo's quoted names": json.dumps({'"b c"': 1, "a": 0, "d": 2}),
    "JSON number to name": '{"0": "a", "2": "d", "1": "b c"}',
    "JSON from 1": '{"1": "a", "2": "b c", "3": "d"}',
    "CSV": "id,name\n0,a\n1,b c\n2,d\n",
    "CSV, capitals, in any order": "ID,Name\n2,d\n0,a\n1,\"b c\"\n",
    "CSV with more columns": "id,name,note\n0,a,x\n1,b c,y\n2,d,z\n",
}
NUMBERS_ARE_NAMES = {"1 a\n3 b\n": ["1 a", "3 b"], "100 meters\n200 meters\n": ["100 meters", "200 meters"]}
REFUSED = {  # and what is said
    "empty": ("", "no class names"),
    "blank": ("\n \n", "no class names"),
    "JSON empty list": ("[]", "no class names"),
    "JSON empty name": ('["a", ""]', "an empty name"),
    "JSON empty object": ("{}", "neither"),
    "JSON of something else": ('{"a": [1]}', "neither"),
    "JSON list of numbers": ("[1, 2]", "neither"),
    "JSON truths": ('{"a": true, "b": false}', "neither"),
    "JSON number twice": ('{"a": 0, "b": 0}', "class 0 has two names"),
    "JSON number missing": ('{"a": 0, "b": 2}', "no name for class 1"),
    "JSON from 2": ('{"2": "a", "3": "b"}', "no name for class 1"),
    "JSON negative": ('{"a": -1, "b": 0}', "no name for class 1"),
    "JSON broken": ('["a", ', ""),
    "JSON names for numbers": ('{"a": "b"}', ""),
    "CSV empty name": ("id,name\n0,a\n1,\n", "an empty name"),
    "CSV without rows": ("id,name\n", "no class names"),
    "CSV number twice": ("id,name\n0,a\n0,b\n", "class 0 has two names"),
    "CSV number missing": ("id,name\n0,a\n2,b\n", "no name for class 1"),
    "CSV no number": ("id,name\nx,a\n", ""),
    "not UTF-8": (b"caf\xe9\n", "not UTF-8"),
    "UTF-16": ("a\nb\n".encode("utf-16"), "not UTF-8"),
}


def own_lists(folder):
    path = folder / "names"

    def write(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    for name, text in READ.items():
        write(text)
        check(name, read_classes(path) == ["a", "b c", "d"], read_classes(path))
    for text, names in NUMBERS_ARE_NAMES.items():
        write(text)
        check(f"{text!r} is no numbering", read_classes(path) == names, read_classes(path))
    for name, (text, words) in REFUSED.items():
        write(text)
        try:
            found = read_classes(path)
        except ImportFailure as refusal:
            check(name, str(refusal).startswith(f"{path}: ") and words in str(refusal), refusal)
        except Exception as other:  # noqa: BLE001
            check(name, False, f"{type(other).__name__}: {other}")
        else:
            check(name, False, f"read as {found}")
    write("a\nb\n")
    check("the right number", class_names(2, path) == ["a", "b"])
    try:
        class_names(3, path)
        check("two names for three classes", False)
    except ImportFailure as refusal:
        check("two names for three classes", str(refusal) == f"{path}: 2 names, the network has 3 classes", refusal)


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--annotations", type=pathlib.Path)
options = parser.parse_args()
found = published()
if options.annotations:
    annotations(options.annotations, found)
with tempfile.TemporaryDirectory() as scratch:
    own_lists(pathlib.Path(scratch))
print(f"{failed} failed")
sys.exit(1 if failed else 0)
