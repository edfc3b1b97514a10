#!/usr/bin/env python3
"""Checks the class lists of datasets/classes, and every form of a user's list that the importers read or refuse.

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
from importers import class_names  # noqa: E402
from importers.class_names import FOLDER, read_classes  # noqa: E402
from importers.class_names import class_names as named  # noqa: E402
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
    lists = {count: class_names.published(name) for name, count in class_names.PUBLISHED.items()}
    check("five lists", sorted(lists) == [51, 101, 400, 600, 700] and
          sorted(p.name for p in FOLDER.glob("*.txt")) == sorted(f"{name}.txt" for name in class_names.PUBLISHED))
    for data_set, count in class_names.PUBLISHED.items():
        names, text = lists[count], (FOLDER / f"{data_set}.txt").read_bytes()
        check(f"{count}: a name a line", text == "".join(f"{name}\n" for name in names).encode())
        check(f"{count}: so many", len(names) == count, len(names))
        check(f"{count}: each once", len(set(names)) == count)
        check(f"{count}: blanks", all(name == " ".join(name.split()) for name in names))
        # classInd.txt puts Hammering before HammerThrow: capitals do not count
        check(f"{count}: in order", names == sorted(names, key=str.lower if count == 101 else None))
        check(f"{count}: not by its number", named(count, None) == [f"class {i}" for i in range(count)])
        check(f"{count}: where it is known", named(count, None, data_set) == names)
        check(f"{count}: not where it is as many", named(count + 1, None, data_set)[0] == "class 0")
        check(f"{count}: by its own name", named(count, pathlib.Path(data_set)) == names)
        notes = class_names.notes(count, None, "", "")
        check(f"{count}: a note", len(notes) == 1 and data_set in notes[0], notes)
        check(f"{count}: no note where the user names them", not list(class_names.notes(count, pathlib.Path("x"), "", "")))
    gone = {"bull fighting", "chopping vegetables", "picking fruit", "passing american football (not in game)"}
    check("600 and 700", set(lists[600]) - set(lists[700]) == gone)
    for count, places in PLACES.items():
        for index, name in places.items():
            check(f"{count}: {index}", lists[count][index] == name, lists[count][index])
    check("no list", not class_names.notes(3, None, "", "") and named(3, None) == ["class 0", "class 1", "class 2"])
    try:
        from torchvision.models._meta import _KINETICS400_CATEGORIES
        check("torchvision's list", list(_KINETICS400_CATEGORIES) == lists[400])
    except ImportError:
        print("torchvision is not here: its list is not compared")
    return lists


def annotations(folder, lists):
    files = {101: "ucf101/classInd.txt", 51: "hmdb51/class_list.txt", 400: "kinetics400/label_map.txt"}
    own = {"epic100/EPIC_100_verb_classes.csv": (97, "take", "unfreeze"), "epic100/EPIC_100_noun_classes.csv": (300, "tap", "extract:vanilla"),
           "epic55/EPIC_verb_classes.csv": (125, "take", "reverse"), "epic55/EPIC_noun_classes.csv": (352, "Nothing", "trouser"),
           "egtea/verb_idx.txt": (19, "Inspect/Read", "Squeeze"), "egtea/noun_idx.txt": (53, "recipe", "strainer"),
           "egtea/action_idx.txt": (106, "Inspect/Read recipe", "Put oil_container")}
    for name, expected in own.items():
        if (folder / name).exists():
            theirs = read_classes(folder / name)
            check(name, (len(theirs), theirs[0], theirs[-1]) == expected, theirs[:2])
        else:
            print(f"{folder / name} is not there: not read")
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
    "CSV, name before number": "name,id\nd,2\na,0\nb c,1\n",
    "CSV without a heading": "2,d\n0,a\n1,b c\n",
    "CSV without a heading, name before number": "d,3\na,1\nb c,2\n",
    "CSV in other words": "nr,aktion\n2,d\n0,a\n1,b c\n",
    "CSV as pandas writes it": ",name\n0,a\n1,b c\n2,d\n",
    "CSV with blanks": "id, name\n2 , d\n0,  a\n 1,b c\n",
    "CSV with lists": "id,key,instances,category\n0,a,\"['a', 'x']\",p\n2,d,\"['d']\",p\n1,b c,\"['b c', 'b']\",q\n",
    "EPIC-55": "verb_id,class_key,verbs\n0,a,\"['x', 'y']\"\n1,b c,['z']\n2,d,['z']\n",
    "three columns without a heading": "x,a,0\nx,b c,1\ny,d,2\n",
    "a number, a colon": "d: 2\na: 0\nb c: 1\n",
    "equals": "d = 3\na = 1\nb c = 2\n",
    "arrows": "0 -> a\n2 -> d\n1 -> b c\n",
    "thick arrows": "0=>a\n2=>d\n1=>b c\n",
    "arrows to numbers": "a \u2192 0\nd \u2192 2\nb c \u2192 1\n",
    "brackets": "(0) a\n(2) d\n(1) b c\n",
    "square brackets": "[0] a\n[2] d\n[1] b c\n",
    "brackets behind": "a (0)\nd (2)\nb c (1)\n",
    "underscores": "0_a\n2_d\n1_b c\n",
    "Charades": "c000 a\nc002 d\nc001 b c\n",
    "NTU": "A1. a\nA3. d\nA2. b c\n",
    "NTU with zeros": "A001: a\nA003: d\nA002: b c\n",
    "FineGym": "Clabel: 0; set: 1; Glabel: 1; a\nClabel: 2; set: 1; Glabel: 9; d\nClabel: 1; set: 3; Glabel: 5; b c\n",
    "a label map": "item {\n  name: 'a'\n  id: 1\n}\nitem {\n  id: 3\n  name: 'd'\n}\nitem {\n  id: 2\n  name: 'b c'\n}\n",
    "AVA": 'label {\n  name: "a"\n  label_id: 1\n  label_type: X\n}\nlabel {\n  name: "b c"\n  label_id: 2\n}\nlabel {\n  name: "d"\n'
           "  label_id: 3\n}\n",
    "a list of YAML": "names:\n  - a\n  - b c\n  - d\n",
    "two numberings that agree": "0,1,a\n2,3,d\n1,2,b c\n",
    "semicolons": "id;name\n0;a\n2;d\n1;b c\n",
    "tabs": "1\ta\n3\td\n2\tb c\n",
    "bars, Windows, a mark": "\ufeff0|a\r\n2|d\r\n1|b c\r\n",
    "comments and blank lines": "# the classes\n\n0 a\n\n# more\n2 d\n1 b c\n",
    "number and name, out of order": "2 d\n0 a\n1 b c\n",
    "name and number, out of order": "d 3\na 1\nb c 2\n",
    "with a heading": "id name\n2 d\n0 a\n1 b c\n",
    "colons": "0: a\n2: d\n1: b c\n",
    "YAML": "names:\n  0: a\n  1: b c\n  2: d\n",
    "three columns under other words": "klasse,wort,nr\nx,a,0\nx,b c,1\ny,d,2\n",
    "numbers with zeros": "002,d\n000,a\n001,b c\n",
    "points": "1. a\n2. b c\n3. d\n",
    "quotes": '"d" 2\n"a" 0\n"b c" 1\n',
    "only names, with a heading": "name,kind\na,x\nb c,x\nd,y\n",
    "JSON numbers as strings": '{"d": "2", "a": "0", "b c": "1"}',
    "JSON objects": '[{"id": 2, "name": "d"}, {"name": "a", "id": 0}, {"id": "1", "name": "b c"}]',
    "JSON as COCO": '{"info": {}, "categories": [{"id": 3, "name": "d", "supercategory": "x"}, {"id": 1, "name": "a"}, '
                    '{"id": 2, "name": "b c"}]}',
    "JSON pairs": '[["d", 2], ["a", 0], ["b c", 1]]',
    "JSON number to object": '{"2": {"name": "d"}, "0": {"name": "a"}, "1": {"name": "b c"}}',
    "JSON of a config": '{"label2id": {"a": 0}, "id2label": {"0": "a", "2": "d", "1": "b c"}}',
}
PLAIN = (  # numbers that belong to the names, and commas
    ["100 meters", "200 meters"], ["100m", "hop", "3D scan"], ["throw 3 balls", "sit", "stand up 2"], ["0", "1", "2"],
    ["level 1", "level 2", "level 3", "boss"], ["open, then close", "close, then open", "sit, stand, sit"],
    ["1st", "2nd", "3rd"], ["1D scan", "2D scan"], ["a1 hold", "b2 put"], ["c000 hold", "c002 put"], ["pan:dust", "tap"], ["push", "pull (2 hands)"],
)
NAMES_WITH_COMMAS = {"0,a, b\n1,c\n": ["a, b", "c"], "a, b,1\nc,0\n": ["c", "a, b"], '1,"a, b"\n0,"c ""d"""\n': ['c "d"', "a, b"],
                     "10 steps 1\nsit 0\n": ["sit", "10 steps"]}
REFUSED = {  # and what is said
    "empty": ("", "no class names"),
    "only comments": ("# a\n#,b\n", "no class names"),
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
    "CSV empty name": ("id,name\n0,a\n1,\n", ":3: an empty name"),
    "CSV without rows": ("id,name\n", "no class names"),
    "CSV number twice": ("id,name\n0,a\n0,b\n", "class 0 has two names"),
    "CSV number missing": ("id,name\n0,a\n2,b\n", "no name for class 1"),
    "CSV no number": ("id,name\nx,a\n", ""),
    "gap": ("0 a\n1 b\n3 c\n", ":3: class 3 is here, but there is no name for class 2"),
    "gap of few": ("1 a\n3 b\n", ":2: "),
    "number twice": ("a 0\nb 1\nc 1\n", ":3: class 1 has two names"),
    "from 5": ("a;5\nb;6\n", ":1: class 5 is here, but there is no name for class 1"),
    "line without a number": ("0 a\nb\n2 c\n3 d\n", ":2: 'b' has no class number"),
    "row without a number": ("0,a\nb,b\n2,c\n3,d\n", ":2: "),
    "the number is part of the name": ("1 ball\n2 balls\n3 balls\n", ":3: without its number the name stands twice"),
    "two numberings": ("0,1\n1,2\n", "which is the class's?"),
    "numbers on both sides": ("1 a 0\n0 b 1\n", "which is the class's?"),
    "two columns that differ": ("0,1,a\n1,0,b\n", "columns 1 and 2"),
    "a number below 0": ("-1,x\n0,a\n1,b\n", ":1: "),
    "a number with a fraction": ("0,a\n1.5,b\n2,c\n3,d\n", ":2: "),
    "a row too long": ("id,name,kind\n0,a,x\n1,b,c,y\n", ":3: 4 columns, where the heading has 3"),
    "a label map without a number": ("item {\n  id: 1\n  name: 'a'\n}\nitem {\n  name: 'b'\n}\n", ":5: a number (id) and a name"),
    "a list of clips": ("a.mp4 1\nb.mp4 1\nc.mp4 2\n", ":2: class 1 has two names"),
    "an annotation": ("label,youtube_id,time_start\na,x-Y,1\nb,zz,2\n", ":2: 'x-Y' is no class number"),
    "JSON both numbers": ('{"0": "1", "1": "2"}', "which are the names?"),
    "JSON name twice": ('{"a": 0, "a": 1}', "'a' stands twice"),
    "JSON object without a name": ('[{"id": 1}]', "a number (id) and a name"),
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
    for names in PLAIN:
        write("\n".join(names))
        check(f"{names} are names", read_classes(path) == names, read_classes(path))
    for text, names in NAMES_WITH_COMMAS.items():
        write(text)
        check(repr(text), read_classes(path) == names, read_classes(path))
    for name, (text, words) in REFUSED.items():
        write(text)
        try:
            found = read_classes(path)
        except ImportFailure as refusal:
            check(name, str(refusal).startswith(f"{path}:") and words in str(refusal), refusal)
        except Exception as other:  # noqa: BLE001
            check(name, False, f"{type(other).__name__}: {other}")
        else:
            check(name, False, f"read as {found}")
    write("a\nb\n")
    check("the right number", named(2, path) == ["a", "b"])
    try:
        named(3, path)
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
