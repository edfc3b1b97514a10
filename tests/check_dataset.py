#!/usr/bin/env python3
"""cfp-gpu dataset: lists as published, a small copy of each kind, and lists that are wrong.

    check_dataset.py --cfp cfp-gpu [--annotations DIR] [--clips DIR]

Makes a small data set of each kind in a temporary folder: its list, in the published form, and its clips in the
published layout, from clips of datasets/motion, pictures and tars.  --annotations and --clips: published lists and real
clips; without them, these parts are left out."""
import argparse
import csv
import io
import json
import os
import pathlib
import resource
import shlex
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOTION = ROOT / "datasets/motion"
MODEL = ROOT / "weights/motion.h5"
# A picture of 2 x 2 pixels, as PPM; the program reads it under any name of a picture.
PICTURE = b"P6 8 8 255\n" + bytes(range(192))


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dataset-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def video(self, name, which="up"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MOTION / f"{which}.mp4", path)
        return path

    def frames(self, name, numbers, form="frame_{:010d}.jpg"):
        for n in numbers:
            self.put(f"{name}/{form.format(n)}", PICTURE)

    def reads_tars(self):
        """False if the program was built without libarchive."""
        return "libarchive 0" not in self.run_cfp("--version").stdout

    def tar(self, name, numbers, form="./frame_{:010d}.jpg", mode="w"):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(self.folder / name, mode) as tar:
            for n in numbers:
                entry = tarfile.TarInfo(form.format(n))
                entry.size = len(PICTURE)
                tar.addfile(entry, io.BytesIO(PICTURE))

    def run_cfp(self, *words, status=None, env=None):
        done = subprocess.run([options.cfp, *map(str, words)], capture_output=True, text=True, timeout=120,
                              cwd=self.folder, env=dict(os.environ, **(env or {})), check=False)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stderr)
        return done

    def read(self, listing, *words, status=0):
        """The object of --json."""
        return json.loads(self.run_cfp("dataset", listing, "--json", *words, status=status).stdout)

    def refuse(self, piece, listing, *words, status=1):
        done = self.run_cfp("dataset", listing, *words, status=status)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(piece, done.stderr)


def label(clip, name="class"):
    return clip["labels"][name].get("name"), clip["labels"][name].get("index")


class Kinds(Case):
    """A small copy of each data set."""

    def test_kinetics(self):
        self.put("val.csv", "label,youtube_id,time_start,time_end,split,is_cc\r\n"
                 "abseiling,0wR5jVB-WPk,417,427,val,0\r\n"
                 '"passing American football (in game)",-_a,5,15,val,0\r\n'
                 "abseiling,whole,1,3,train,0\r\n"
                 "abseiling,gone,1,11,val,0\r\n")
        self.put("label_map.txt", "abseiling\nair drumming\npassing American football (in game)\n")
        self.video("abseiling/0wR5jVB-WPk_000417_000427.mp4")
        self.video("val/passing American football (in game)/-_a_000005_000015.mkv")
        self.video("whole.webm")
        got = self.read("val.csv", status=1)
        self.assertEqual((got["kind"], got["counts"]), ("kinetics", {"found": 3, "missing": 1}))
        first, second, third, gone = got["clips"]
        self.assertEqual(first["id"], "0wR5jVB-WPk_000417_000427")
        self.assertEqual(first["window"], {"unit": "whole"})
        self.assertEqual(label(first), ("abseiling", 0))
        self.assertEqual(label(second), ("passing American football (in game)", 2))
        self.assertEqual(third["window"], {"unit": "seconds", "start": 1, "stop": 3})
        self.assertIsNone(gone["path"])
        got = self.read("val.csv", "--subset", "train")
        self.assertEqual(got["counts"], {"found": 1, "left-out": 3})

    def test_kinetics_without_labels(self):
        self.put("test.csv", "youtube_id,time_start,time_end,split\nabc,0,10,test\n")
        self.video("abc_000000_000010.mp4")
        got = self.read("test.csv")
        self.assertEqual((got["kind"], label(got["clips"][0])), ("kinetics", (None, None)))

    def test_kinetics_numbered(self):
        self.put("list.txt", "0 1 air drumming/0wR5jVB-WPk_000417_000427.mp4\n1 0 a/b_000001_000011.mp4\n")
        self.put("label_map.txt", "abseiling\nair drumming")
        self.video("air drumming/0wR5jVB-WPk_000417_000427.mp4")
        self.video("a/b_000001_000011.mp4")
        got = self.read("list.txt")
        self.assertEqual((got["kind"], got["counts"]), ("kinetics", {"found": 2}))
        self.assertEqual([c["id"] for c in got["clips"]], ["0wR5jVB-WPk_000417_000427", "b_000001_000011"])
        self.assertEqual(label(got["clips"][0]), ("air drumming", 1))

    def test_kinetics_paths(self):
        self.put("val.csv", "val/b_000001_000011.mp4 1\r\nval/gone_000001_000011.mp4 0\r\n")
        self.video("val/b_000001_000011.mp4")
        got = self.read("val.csv", status=1)
        self.assertEqual((got["kind"], got["clips"][0]["id"], label(got["clips"][0])),
                         ("kinetics", "val/b_000001_000011.mp4", (None, 1)))

    def test_frames_db(self):
        """The layout of SRTG and of the published code: jpg/CLASS/VIDEO/frames.db."""
        self.put("val.csv", "label,id,time_start,time_end,split\nwave hand,v_1,0,2,val\nwave hand,v_2,3.0,5.0,val\n")
        for name in ("v_1", "v_2_000003_000005"):
            folder = self.folder / "jpg/wave hand" / name
            folder.mkdir(parents=True)
            (folder / "n_frames").write_text("3")
            with sqlite3.connect(folder / "frames.db") as db:
                db.execute("CREATE TABLE Images (ObjId STRING, frames BLOB, size INT)")
                db.executemany("INSERT INTO Images VALUES (?, ?, ?)",
                               [(f"{name}/frame_{i:05d}", PICTURE, len(PICTURE)) for i in (1, 2, 3)])
            db.close()
        got = self.read("val.csv")
        self.assertEqual(got["counts"], {"found": 2})
        self.assertEqual(label(got["clips"][1]), ("wave hand", None))

    def test_ucf101(self):
        for end in ("\r\n", "\n"):
            self.put("trainlist01.txt", f"Archery/v_Archery_g01_c01.avi 3{end}Archery/v_Archery_g01_c02.avi 3{end}")
            self.put("testlist01.txt", f"BabyCrawling/v_BabyCrawling_g01_c01.avi{end}")
            self.put("classInd.txt", end.join(["1 ApplyEyeMakeup", "2 ApplyLipstick", "3 Archery", "4 BabyCrawling", ""]))
            self.video("Archery/v_Archery_g01_c01.avi")
            self.frames("Archery/v_Archery_g01_c02", range(1, 5))
            self.video("BabyCrawling/v_BabyCrawling_g01_c01.avi")
            got = self.read("trainlist01.txt")
            self.assertEqual((got["kind"], got["counts"]), ("ucf101", {"found": 2}))
            self.assertEqual(label(got["clips"][0]), ("Archery", 2))
            got = self.read("testlist01.txt")
            self.assertEqual((got["kind"], label(got["clips"][0])), ("ucf101", ("BabyCrawling", 3)))
        # A list whose number and folder disagree is told.
        self.put("trainlist01.txt", "Archery/v_Archery_g01_c01.avi 4\n")
        self.assertEqual(self.read("trainlist01.txt", status=1)["counts"], {"found": 0, "bad-label": 1})
        # Without a class list beside it, that of the program has the order.
        (self.folder / "classInd.txt").unlink()
        self.assertEqual(label(self.read("testlist01.txt")["clips"][0]), ("BabyCrawling", 3))

    def test_hmdb51(self):
        self.put("splits/wave_test_split1.txt", "a_wave_u_nm_np1_fr_med_0.avi 1 \n#2_wave_(x)!_0.avi 2 \nb.avi 0 \n")
        self.put("splits/sword_exercise_test_split1.txt", "s.avi 2 \n")
        self.put("splits/wave_test_split2.txt", "a_wave_u_nm_np1_fr_med_0.avi 2 \n")
        for name in ("wave/a_wave_u_nm_np1_fr_med_0", "wave/#2_wave_(x)!_0", "wave/b", "sword_exercise/s"):
            self.video(f"{name}.avi")
        got = self.read("splits/wave_test_split1.txt", "--root", ".")
        self.assertEqual((got["kind"], got["counts"]), ("hmdb51", {"found": 3}))
        self.assertEqual(label(got["clips"][1]), ("wave", 50))
        self.assertEqual(got["clips"][1]["id"], "#2_wave_(x)!_0.avi")
        got = self.read("splits/*_test_split1.txt", "--root", ".", "--subset", "test")
        self.assertEqual([(c["id"], label(c)[0], os.path.basename(c["list"]), c["line"]) for c in got["clips"]],
                         [("s.avi", "sword_exercise", "sword_exercise_test_split1.txt", 1),
                          ("#2_wave_(x)!_0.avi", "wave", "wave_test_split1.txt", 2)])
        self.assertEqual(got["counts"], {"found": 2, "left-out": 2})

    def epic(self, name, first, times):
        """A list of EPIC, as published: nouns are quoted, verbs are not the names of their classes."""
        self.put(name, f"{first},start_timestamp,stop_timestamp,start_frame,stop_frame,narration,verb,verb_class,noun,"
                 "noun_class,all_nouns,all_noun_classes\n" + times)

    def test_epic100(self):
        row = "P01,P01_11,00:00:00.560,00:00:00.00,00:00:01.50"
        self.epic("val.csv", "narration_id,participant_id,video_id,narration_timestamp",
                  f"P01_11_0,{row},3,5,put down plate,put-down,1,plate,2,\"['plate', 'x']\",\"[2, 3]\"\n"
                  f"P01_11_1,{row},90,95,a,b,0,c,0,['c'],[0]\n"
                  f"P01_11_2,{row},9,12,a,b,9,c,0,['c'],[0]\n"
                  f"P01_11_3,{row},8,7,a,b,0,c,0,['c'],[0]\n")
        self.put("EPIC_100_verb_classes.csv", "id,key,instances,category\r\n0,take,\"['get', 'take']\",retrieve\r\n"
                 "1,put,\"['lay', 'put']\",leave\r\n")
        self.put("EPIC_100_noun_classes.csv", "id,key,instances,category\r\n0,tap,['tap'],a\r\n1,spoon,['s'],a\r\n"
                 "2,plate,['plate'],b\r\n")
        self.frames("P01/rgb_frames/P01_11", range(1, 11))
        got = self.read("val.csv", status=1)
        self.assertEqual((got["kind"], got["counts"]),
                         ("epic100", {"found": 1, "no-frames": 1, "bad-label": 1, "bad-window": 1}))
        clip = got["clips"][0]
        self.assertEqual((clip["id"], label(clip, "verb"), label(clip, "noun")), ("P01_11_0", ("put", 1), ("plate", 2)))
        self.assertEqual(clip["window"], {"unit": "frames", "start": 3, "stop": 6})  # stop_frame is the last one
        # The same from a tar; from a video the times count.
        if self.reads_tars():
            shutil.rmtree(self.folder / "P01")
            self.tar("P01/rgb_frames/P01_11.tar", range(1, 11))
            clip = self.read("val.csv", status=1)["clips"][0]
            self.assertEqual((os.path.basename(clip["path"]), clip["window"]),
                             ("P01_11.tar", {"unit": "frames", "start": 3, "stop": 6}))
        shutil.rmtree(self.folder / "P01")
        self.video("P01/videos/P01_11.MP4")
        clip = self.read("val.csv", status=1)["clips"][0]
        self.assertEqual(clip["window"], {"unit": "seconds", "start": 0, "stop": 1.5})

    def test_epic55(self):
        self.epic("train.csv", "uid,participant_id,video_id",
                  "7,P01,P01_01,00:00:00.14,00:00:03.37,2,4,open door,open,2,door,8,['door'],[8]\n")
        self.frames("frames_rgb_flow/rgb/train/P01/P01_01", range(1, 9))
        clip = self.read("train.csv")["clips"][0]
        self.assertEqual((clip["id"], label(clip, "verb"), clip["window"]),
                         ("7", (None, 2), {"unit": "frames", "start": 2, "stop": 5}))
        self.put("test.csv", "uid,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame\n"
                 "1924,P01,P01_01,00:00:00.00,00:00:01.89,1,3\n")
        got = self.read("test.csv")
        self.assertEqual((got["kind"], label(got["clips"][0], "noun")), ("epic55", (None, None)))

    def test_egtea(self):
        name = "P21-R04-ContinentalBreakfast-291175-294945-F006979-F007088"
        self.put("train_split1.txt", f"{name} 1 2 1 3\n{name.replace('P21', 'P22')} 2 1 2\n")
        self.put("action_idx.txt", "Inspect/Read recipe 1\nOpen fridge 2\n")
        self.put("verb_idx.txt", "Open 1\nInspect/Read 2\n")
        self.put("noun_idx.txt", "recipe 1\nfridge 2\ncooking_utensil 3\n")
        self.video(f"P21-R04-ContinentalBreakfast/{name}.mp4")
        self.video("P22-R04-ContinentalBreakfast.mp4")
        got = self.read("train_split1.txt")
        self.assertEqual((got["kind"], got["counts"]), ("egtea", {"found": 2}))
        cut, part = got["clips"]
        self.assertEqual((label(cut, "action"), label(cut, "verb"), label(cut, "noun")),
                         (("Inspect/Read recipe", 0), ("Inspect/Read", 1), ("recipe", 0)))
        self.assertEqual(cut["window"], {"unit": "whole"})
        self.assertEqual(part["window"], {"unit": "frames", "start": 6979, "stop": 7089})

    def test_rawframes(self):
        self.put("val.txt", "a/b 4 1\nc 3 0 2\n")
        self.frames("a/b", range(1, 5), "img_{:05d}.jpg")
        self.frames("c", range(1, 4), "img_{:05d}.jpg")
        got = self.read("val.txt")
        self.assertEqual((got["kind"], [label(c)[1] for c in got["clips"]]), ("rawframes", [1, 0]))

    def test_own_kind(self):
        """A new data set needs a description, and no C."""
        self.put("jester.kind", "# Jester\nabout = Jester: id;label\nseparator = blank\nheader = no\n"
                 "column = id : ^[0-9]+$\ncolumn = gesture rest\nid = jester-{id}\nvideo = {id:05}\n"
                 "label = class\nname = {gesture}\nclass-list = gestures.csv\n")
        self.put("gestures.csv", "gesture_id,name\n1,Swiping Left\n2,Stop Sign\n")
        self.put("list.csv", "24 Stop Sign\n25 Swiping Left\n")
        self.frames("00024", range(1, 4), "{:05d}.jpg")
        got = self.read("list.csv", "--kind", "jester.kind", status=1)
        self.assertEqual((got["kind"], got["clips"][0]["id"], label(got["clips"][0])), ("jester", "jester-24", ("Stop Sign", 1)))
        self.put("bad.kind", "column = a\nid = {b}\n")
        self.refuse("bad.kind:2: no column or part is called 'b'", "list.csv", "--kind", "bad.kind")
        for text, piece in (("colum = a\n", ":1: 'colum' is no key"), ("column = a : (\n", ":1: the regular expression"),
                            ("column = a : " + "(" * 5 + "a" + "{1,100})" * 5 + "\n", ":1: the regular expression repeats something too often"),
                            ("column = a : a{1,20000}\n", ":1: the regular expression repeats something too often"),
                            ("column = a : ^(.*)\\1$\n", ":1: the regular expression refers to a group"),
                            ("column = a\nid = {a}\n", "no clip and no video"), ("column a\n", ":1: a line is KEY = VALUE")):
            self.put("bad.kind", text)
            self.refuse(piece, "list.csv", "--kind", "bad.kind")


class Small(Case):
    """The data sets that tools/small-dataset makes: every clip is found, and every label is a class of the model."""

    def test_all(self):
        tool = ROOT / "tools/small-dataset"
        if shutil.which("ffmpeg") is None:
            self.skipTest("no ffmpeg program")
        for kind in ("paths", "kinetics", "ucf101", "hmdb51", "epic55", "epic100", "egtea", "rawframes", "srtg"):
            if kind == "epic100" and not self.reads_tars():
                continue
            with self.subTest(kind):
                listing, *words = shlex.split(subprocess.run([tool, kind, self.folder / kind], capture_output=True, text=True,
                                                             check=True).stdout)
                got = self.read(listing, *words, "--model", MODEL)
                self.assertEqual((got["kind"], got["counts"]), ("kinetics" if kind == "srtg" else kind, {"found": 8}))
                self.assertEqual(max(match["known"] for match in got["model"].values()), 8)
                if kind in ("kinetics", "epic100", "srtg"):   # videos, tars, frames.db
                    self.explains(kind, listing, *words)
        done = subprocess.run([tool, "paths", self.folder], capture_output=True, text=True, check=False)
        self.assertIn("it is not empty", done.stderr)

    def explains(self, kind, listing, *words):
        """`batch` runs the list to its end, and the network is right about every clip."""
        run = self.folder / f"{kind}-run"
        done = self.run_cfp("batch", MODEL, listing, *words, "-o", run, "-q", "--rule", "cfp", "--depth", "1", status=0)
        self.assertEqual(done.stderr, "")
        lines = [json.loads(line) for line in (run / "manifest.jsonl").read_text().splitlines()]
        self.assertEqual([(line["status"], line["rank"]) for line in lines], [("ok", 1)] * 8)


class Paths(Case):
    """Lists of paths."""

    def setUp(self):
        super().setUp()
        for name in ("a.mp4", "b c.mp4", "d/e.mp4"):
            self.video(name)

    def labels(self, text, *words, status=0):
        self.put("list.txt", text)
        got = self.read("list.txt", *words, status=status)
        self.assertEqual(got["kind"], "paths")
        return [(os.path.relpath(self.folder / c["path"], self.folder), *label(c)) if c["path"] else c["reason"]
                for c in got["clips"]]

    def test_words(self):
        self.assertEqual(self.labels("\ufeffa.mp4 air drumming\r\n\r\n# a comment\r\nd/e.mp4\tair  drumming \r\nd/e left"),
                         [("a.mp4", "air drumming", None), ("d/e.mp4", "air  drumming", None), ("d/e.mp4", "left", None)])
        self.assertEqual(self.labels("a.mp4 0\nd/e.mp4 12\n"), [("a.mp4", None, 0), ("d/e.mp4", None, 12)])
        self.assertEqual(self.labels("a.mp4 0\nd/e.mp4 x\n"), [("a.mp4", "0", None), ("d/e.mp4", "x", None)])
        self.assertEqual(self.labels("a.mp4\nd/e\n"), [("a.mp4", None, None), ("d/e.mp4", None, None)])
        # Paths with blanks: in quotes, or where such a file is there.
        self.assertEqual(self.labels('"b c.mp4" left\n'), [("b c.mp4", "left", None)])
        self.assertEqual(self.labels("b c.mp4 3\na.mp4 4\n"), [("b c.mp4", None, 3), ("a.mp4", None, 4)])
        self.assertEqual(self.labels("b c.mp4\n"), [("b c.mp4", None, None)])

    def test_csv(self):
        self.assertEqual(self.labels('a.mp4,"x, ""y"""\nb c.mp4, z ,,\n'), [("a.mp4", 'x, "y"', None), ("b c.mp4", "z", None)])
        self.assertEqual(self.labels("label,path,note\nx,a.mp4,?\n"), [("a.mp4", "x", None)])
        self.assertEqual(self.labels("clip,class\r\na.mp4,7\r\n"), [("a.mp4", None, 7)])
        self.put("list.csv", "a.mp4,x,5,9\na.mp4,x,9,\na.mp4,x,0.5s,00:00:01.25\nd/e.mp4,x,,4\nd/e.mp4,x,4,4\n")
        got = self.read("list.csv", status=1)
        self.assertEqual([(c["id"], c["window"]) for c in got["clips"][:4]], [
            ("a.mp4#5-9", {"unit": "frames", "start": 5, "stop": 9}), ("a.mp4#9-", {"unit": "frames", "start": 9}),
            ("a.mp4#0.5s-00:00:01.25", {"unit": "seconds", "start": 0.5, "stop": 1.25}),
            ("d/e.mp4#-4", {"unit": "frames", "start": 0, "stop": 4})])
        self.assertEqual(got["clips"][4]["reason"], "bad-window")

    def test_frames_in_folders_and_tars(self):
        if not self.reads_tars():
            self.skipTest("built without libarchive")
        self.frames("f", [8, 9, 10])
        self.tar("t.tar", [10, 8, 9], "x/frame_{:03d}.png")
        self.tar("z.tgz", [0, 1], mode="w:gz")
        self.put("empty/note.txt", "")
        self.put("zero.mp4", "")
        self.tar("u.tar", [1, 2], "\u00e9t\u00e9/frame_{:05d}.jpg")
        self.assertEqual(self.run_cfp("predict", MODEL, "u.tar", status=0, env={"LC_ALL": "C"}).returncode, 0)
        self.put("list.csv", "f,1,9,11\nf,1,1,8\nt,1,8,9\nt.tar,1,11,12\nz,1\nempty,1\nzero.mp4,1\n")
        got = self.read("list.csv", status=1)
        self.assertEqual([c["reason"] for c in got["clips"]],
                         ["found", "no-frames", "found", "no-frames", "found", "empty", "empty"])
        # The network sees the same frames, wherever they lie.
        self.frames("p", range(4, 30))
        self.tar("p.tar", reversed(range(4, 30)), "./p/frame_{:05d}.jpg")
        said = [json.loads(self.run_cfp("predict", MODEL, clip, "--json", "--start", 7, "--device", "cpu", "--threads", 1, status=0).stdout)
                ["clips"][0] for clip in ("p", "p.tar")]
        self.assertEqual(said[0]["top"] if "top" in said[0] else said[0]["classes"],
                         said[1]["top"] if "top" in said[1] else said[1]["classes"])
        self.put("cut.tar", (self.folder / "p.tar").read_bytes()[:3000])
        done = self.run_cfp("predict", MODEL, "cut.tar", status=1)
        self.assertIn("cut.tar: ", done.stderr)

    def test_roots(self):
        self.video("one/x.mp4", "left")
        self.video("two/x.mp4", "right")
        self.video("two/y.mp4")
        self.put("list.txt", "x.mp4\ny.mp4\n")
        got = self.read("list.txt", "--root", "one", "--root", "two")
        self.assertEqual([c["path"] for c in got["clips"]], ["one/x.mp4", "two/y.mp4"])
        self.refuse("--root: 'three' is no folder", "list.txt", "--root", "three", status=2)

    def test_repeated(self):
        self.assertEqual(self.labels("a.mp4 x\na.mp4 x\na.mp4 y\n", status=1), [("a.mp4", "x", None), "repeated", "contradicts"])
        out = self.run_cfp("dataset", "list.txt", status=1).stdout
        self.assertIn("list.txt:2, a.mp4 (as line 1)", out)

    def test_csv_file(self):
        self.put("list.txt", "a.mp4 x\ngone.mp4 y\n")
        self.run_cfp("dataset", "list.txt", "--csv", "out.csv", status=1)
        with open(self.folder / "out.csv", newline="") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual([(r["id"], r["reason"], r["class"]) for r in rows], [("a.mp4", "found", "x"), ("gone.mp4", "missing", "y")])
        self.refuse("--csv: list.txt is the list", "list.txt", "--csv", "list.txt", status=2)

    def test_long_list(self):
        """10,000 lines, half of them repeated, in seconds."""
        self.put("list.txt", "".join(f"v{i % 5000}.mp4 {i % 5000}\n" for i in range(10000)))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        got = self.read("list.txt", status=1)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertEqual(got["counts"], {"found": 0, "missing": 5000, "repeated": 5000})
        self.assertLess(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, 10)


class Wrong(Case):
    """Lists that are refused: one line, which says where."""

    def test_malformed(self):
        for text, piece, words in (
                ('a.mp4,"x\nb.mp4,y\n', 'list:1: a quote (") is not closed', ()),
                ('a.mp4,"x"y\n', "list:1: text behind a field in quotes", ()),
                ("a.mp4,x\n,y\n", "list:2: the column 'clip' is empty", ()),
                ("a" * 5000 + ",x\n", "list:1: a field is longer than a path can be", ()),
                ("a.mp4,x,1,2,3\n", "list:1: 5 fields; there are 4 columns", ()),
                ("a.mp4,x,1.5,2\n", "list:1: '1.5' is no number of a frame", ()),
                ("a.mp4,x,1,2s\n", "list:1: start and stop are a frame and a time", ()),
                ("a.mp4,x,00:61:00,\n", "list:1: '00:61:00' is no time", ()),
                ("", "list: the file is empty", ()),
                (b"a.mp4\0x\n", "list: no text: byte 5 is 0", ()),
                (b"\xff\xfea\0", "list: the text is UTF-16", ()),
                ("label,youtube_id,time_start,time_end\nx,y,1,2\nx,z,1,b\n", "list:3: 'b' cannot be a value", ()),
                ("label,youtube_id,time_start,time_end\nx,y,1,2\nx\n", "list:3: the column 'youtube_id' is missing", ()),
                ("A/v_A_g01_c01.avi 1\n" * 5 + "A/v_A_g01_c01.avi zero\n", "list:6: 'zero' cannot be a value", ()),
                ("A/v_A_g01_c01.avi 0\n", "list:1: '0' is no number of a class: they are whole, from 1", ("--kind", "ucf101")),
                ("a.mp4\n", "list:1: its first line has no column 'uid'", ("--kind", "epic55")),
                ("label,youtube_id,time_start,time_end\n", "list: the list has no clip", ())):
            with self.subTest(piece):
                self.put("list", text)
                self.refuse(piece, "list", *words)

    def test_usage(self):
        self.put("list", "a.mp4\n")
        self.refuse("--kind: 'kinetic' is no kind of list; did you mean kinetics?", "list", "--kind", "kinetic", status=2)
        self.refuse("one of egtea, epic100, epic55, hmdb51, kinetics, paths, rawframes, ucf101", "list", "--kind", "imagenet",
                    status=2)
        self.refuse("--subset: a list of kind paths has no subsets", "list", "--subset", "test", status=2)
        self.refuse("gone: No such file", "gone")
        self.refuse("no file matches this pattern", "gone*.txt")
        self.refuse("LIST: missing", "--json", status=2)
        self.refuse("--root: given more than 16 times", "list", *["--root", "."] * 17, status=2)
        self.refuse("--root: needs a value", "list", "--root=", status=2)

    def test_class_list(self):
        self.put("list", "A/v_A_g01_c01.avi 1\n")
        for text, piece in (("1 a\n1 b\n", "classInd.txt:2: a second class"), ("1 a\n5 b\n", "classInd.txt:2: numbers of classes are missing"),
                            ("7 a\n8 b\n", "classInd.txt: classes are numbered from 7")):
            self.put("classInd.txt", text)
            self.refuse(piece, "list")


class Model(Case):
    """The labels are compared with the classes of a model."""

    def test_names(self):
        self.video("a.mp4")
        self.put("list", "a.mp4 Counter_Clockwise\nb.mp4 clokwise\nc.mp4 juggling\nd.mp4 clokwise\ne.mp4\n")
        done = self.run_cfp("dataset", "list", "--model", MODEL, "--json", status=1)
        got = json.loads(done.stdout)
        self.assertEqual(got["model"]["class"], {"known": 1, "unknown": 3, "unlabelled": 1, "compared": "by name"})
        self.assertEqual(got["clips"][0]["labels"]["class"]["class"], 5)
        self.assertIn("3 of 4 clips have a label that", done.stderr)
        self.assertIn("(2 different labels)", done.stderr)
        self.assertIn("list:2: the model has no class 'clokwise'; did the list mean 'clockwise'?", done.stderr)
        self.assertIn("list:3: the model has no class 'juggling'\n", done.stderr)
        self.assertNotIn("list:4", done.stderr)

    def test_numbers(self):
        self.put("list", "a.mp4 0\nb.mp4 8\n")
        done = self.run_cfp("dataset", "list", "--model", MODEL, "--json", status=1)
        self.assertEqual(json.loads(done.stdout)["model"]["class"]["known"], 1)
        self.assertIn("list:2: class number 8: the model has fewer classes", done.stderr)
        self.assertIn("by number", done.stderr)


class Masks(Case):
    """evaluate --mask-file takes what egocentric data sets publish."""

    def energy(self, clip, mask, status=0):
        done = self.run_cfp("evaluate", MODEL, clip, "--metrics", "energy", "--methods", "centre", "--mask-file", mask, "--json",
                            "--device", "cpu", "--threads", 1, "--start", 4, status=status)
        return json.loads(done.stdout)["rows"] if status == 0 else done.stderr

    def made(self, name, draw, size=(24, 128, 128)):
        """The same mask as an array of the source's size (or of the network's, which begins at frame 4); NaN: not
        annotated."""
        mask = np.full(size, np.nan, np.float32)
        draw(mask)
        np.save(self.folder / name, mask)
        return self.folder / name

    def test_epic_boxes(self):
        clip = self.video("P01_01.mp4")
        head = "noun_class,noun,participant_id,video_id,frame,bounding_boxes\n"
        self.put("boxes.csv", head + '20,bag,P01,P01_01,11,"[(540, 960, 270, 480), (0, 0, 135, 240)]"\n'
                 '20,bag,P01,P01_02,12,"[(0, 0, 1080, 1920)]"\n20,pan,P01,P01_01,11,"[(945, 0, 135, 240)]"\n'
                 "20,bag,P01,P01_01,13,[]\n")

        def draw(mask):
            mask[[10, 12]] = 0  # numbers from 1; the second says that nothing is there
            mask[10, 64:96, 64:96] = mask[10, 0:16, 0:16] = mask[10, 112:128, 0:16] = 1
        self.assertEqual(self.energy(clip, "boxes.csv"), self.energy(clip, self.made("m.npy", draw)))
        self.put("boxes.csv", head + "20,bag,P01,P02_01,11,[]\n")
        self.assertIn("boxes.csv: no row of the video 'P01_01'", self.energy(clip, "boxes.csv", status=1))
        self.put("boxes.csv", head + '20,bag,P01,P01_01,11,"[(5, 4, 3)]"\n')
        self.assertIn("boxes.csv:2: no boxes", self.energy(clip, "boxes.csv", status=1))

    def gaze(self, name, samples):
        self.put(name, "## [BeGaze]\n## Number of Samples:\t5\nTime\tType\tTrial\tL POR X [px]\tL POR Y [px]\tFrame\t"
                 "L Event Info\n" + "".join(f"{100 + i}\tSMP\t1\t{x}\t{y}\t{frame}\t{kind}\n"
                                            for i, (x, y, frame, kind) in enumerate(samples)))

    def test_egtea_gaze(self):
        session, name = "OP01-R01-PastaSalad", "OP01-R01-PastaSalad-1000-2000-F000100-F000123"

        def draw(mask):
            y, x = np.mgrid[:64, :64] + 0.5
            mask[6] = (x * 20 - 640) ** 2 + (y * 15 - 480) ** 2 < (1280 / 30) ** 2
        mask = self.made("m.npy", draw, (16, 64, 64))
        # Two fixations of one frame are averaged; others than fixations, and those off the picture, do not count.
        self.gaze(f"{session}.txt", [(630, 470, 110, "Fixation"), (650, 490, 110, "Fixation"), (5, 5, 111, "Saccade"),
                                     (-3, 5, 112, "Fixation"), (0, 0, 113, "-")])
        clip = self.video(f"{name}.mp4")
        want = self.energy(clip, mask)
        self.assertEqual(self.energy(clip, f"{session}.txt"), want)
        self.assertEqual(self.energy(clip, "."), want)  # by the name of its session
        # The later form: 26 columns, and frames as hours:minutes:seconds:frames.
        row = ["0"] * 26
        row[5], row[6], row[24], row[25] = "640", "480", "00:00:04:14", "Fixation"
        self.put("new.txt", "## [BeGaze]\n" + "\t".join(row) + "\n")
        self.assertEqual(self.energy(clip, "new.txt"), want)
        # A video of the whole session counts from its own first frame.
        self.gaze("own.txt", [(640, 480, 10, "Fixation")])
        whole = self.video(f"{session}.mp4")
        self.assertEqual(self.energy(whole, "own.txt"), self.energy(whole, mask))
        # A name whose number is larger than any frame's is no part of a session.
        large = self.video(f"{session}-1000-2000-F99999999999999999999-F99999999999999999999.mp4")
        self.assertEqual(self.energy(large, "own.txt"), self.energy(large, mask))
        self.put("bad.txt", "1 2 3\n")
        self.assertIn("bad.txt:1: no sample of gaze", self.energy(clip, "bad.txt", status=1))
        self.put("bad.txt", "## only a heading\n")
        self.assertIn("bad.txt: ", self.energy(clip, "bad.txt", status=1))

    def test_egtea_hands(self):
        session, name = "OP01-R01-PastaSalad", "OP01-R01-PastaSalad-1000-2000-F000100-F000123"
        clip = self.video(f"{name}.mp4")

        def picture(path, boxes):
            hands = np.zeros((64, 64, 3), np.uint8)  # half as large as the video
            for top, left, size in boxes:
                hands[top:top + size, left:left + size] = 255
            self.put(path, b"P6 64 64 255\n" + hands.tobytes())
        picture(f"Masks/{session}_000110.png", [(16, 20, 8)])
        picture(f"Masks/{session}_000500.png", [(0, 0, 64)])
        picture("Masks/OP02-R01-PastaSalad_000111.png", [(0, 0, 64)])
        picture(f"Masks/{session}-5000-6000-F000300-F000323_000112.png", [(0, 0, 64)])

        def draw(mask):
            mask[10] = 0
            mask[10, 32:48, 40:56] = 1
        self.assertEqual(self.energy(clip, "Masks"), self.energy(clip, self.made("m.npy", draw)))


class Published(Case):
    """The published lists parse to their exact counts and labels."""

    def setUp(self):
        super().setUp()
        if not options.annotations or not os.path.isdir(options.annotations):
            self.skipTest("no published lists here")

    def labels(self, listing, kind, n):
        got = self.read(pathlib.Path(options.annotations) / listing, status=1)
        self.assertEqual((got["kind"], len(got["clips"]), got["counts"].get("missing")), (kind, n, n))
        return got["clips"]

    def test_lists(self):
        clips = self.labels("kinetics400/kinetics-400_val.csv", "kinetics", 199)
        with open(os.path.join(options.annotations, "kinetics400/kinetics-400_val.csv"), newline="") as f:
            rows = list(csv.DictReader(f))
        names = pathlib.Path(options.annotations, "kinetics400/label_map.txt").read_text().splitlines()
        self.assertEqual([label(c) for c in clips], [(r["label"], names.index(r["label"])) for r in rows])
        self.assertEqual([c["id"] for c in clips], [f"{r['youtube_id']}_{int(r['time_start']):06d}_{int(r['time_end']):06d}"
                                                   for r in rows])
        clips = self.labels("kinetics400/list_kinetics_val.txt", "kinetics", 200)
        self.assertEqual({label(c) for c in clips}, {(n, i) for i, n in enumerate(names[:len({label(c) for c in clips})])})
        clips = self.labels("ucf101/trainlist01.txt", "ucf101", 200)
        self.assertEqual([label(c)[0] for c in clips], [c["id"].split("/")[0] for c in clips])
        self.assertEqual(label(clips[0]), ("ApplyEyeMakeup", 0))
        clips = self.labels("hmdb51/splits/wave_test_split1.txt", "hmdb51", 104)
        self.assertEqual({label(c) for c in clips}, {("wave", 50)})
        clips = self.labels("hmdb51/splits/*_test_split1.txt", "hmdb51", 318)
        self.assertEqual({label(c) for c in clips}, {("brush_hair", 0), ("cartwheel", 1), ("wave", 50)})
        clips = self.labels("egtea/train_split1.txt", "egtea", 200)
        self.assertEqual([label(clips[0], n) for n in ("action", "verb", "noun")],
                         [("Inspect/Read recipe", 0), ("Inspect/Read", 0), ("recipe", 0)])

    def test_epic(self):
        for folder, listing, kind, prefix, key in (
                ("epic55", "EPIC_train_action_labels.csv", "epic55", "EPIC_", "class_key"),
                ("epic100", "EPIC_100_validation.csv", "epic100", "EPIC_100_", "key")):
            clips = self.labels(f"{folder}/{listing}", kind, 199)
            with open(os.path.join(options.annotations, folder, listing), newline="") as f:
                rows = list(csv.DictReader(f))
            for what in ("verb", "noun"):
                with open(os.path.join(options.annotations, folder, f"{prefix}{what}_classes.csv"), newline="") as f:
                    names = [r[key] for r in csv.DictReader(f)]
                self.assertEqual([label(c, what) for c in clips],
                                 [(names[int(r[f"{what}_class"])], int(r[f"{what}_class"])) for r in rows])
            self.assertEqual([c["id"] for c in clips], [r[next(iter(r))] for r in rows])


class Real(Case):
    """Real clips, where they are."""

    def test_clips(self):
        if not all(p and os.path.isdir(p) for p in (options.annotations, options.clips)):
            self.skipTest("no real clips here")
        got = self.read(os.path.join(options.annotations, "epic55/EPIC_train_action_labels.csv"), "--root",
                        os.path.join(options.clips, "epic"), status=1)
        self.assertEqual(got["counts"], {"found": 1, "no-frames": 198})  # its frames end in the first action
        self.assertEqual(got["clips"][0]["window"], {"unit": "frames", "start": 8, "stop": 203})
        got = self.read(os.path.join(options.annotations, "hmdb51/splits/wave_test_split1.txt"), "--root",
                        os.path.join(options.clips, "hmdb51"), status=1)
        self.assertEqual(got["counts"]["found"], 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True, type=os.path.abspath)
    parser.add_argument("--annotations", type=os.path.abspath)
    parser.add_argument("--clips", type=os.path.abspath)
    options, rest = parser.parse_known_args()
    unittest.main(argv=[__file__, *rest])
