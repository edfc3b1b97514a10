#!/usr/bin/env python3
"""Draw the picture of README.md: a clip, and below it the tubes of some layers, one row for each.

    build/release/cfp-gpu explain weights/motion.h5 CLIP -o out --format h5,frames [...]
    tools/pyramid_picture.py out PICTURE.png LAYER...
"""
import argparse
import pathlib

import h5py
from PIL import Image, ImageDraw, ImageFont

FRAMES, SIZE, LABEL = 8, 112, 150  # pictures a row, their height in pixels, room for the names


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("explained", type=pathlib.Path, help="what cfp-gpu explain wrote")
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("layers", nargs="+")
    args = parser.parse_args()
    with h5py.File(args.explained / "explanation.h5") as f:
        clip = f["clip/frames"][:]
        who = f'{f.attrs["class_name"]} {100 * f.attrs["probability"]:.0f} %'
        depth = {name: int(f["pyramid"][name].attrs["depth"]) for name in args.layers}
    step = max(1, len(clip) // FRAMES)
    chosen = range(0, step * FRAMES, step)
    rows = [(who, [Image.fromarray(clip[t]) for t in chosen])]
    for name in args.layers:
        folder = args.explained / "overlay" / name
        rows.append((f"depth {depth[name]}\n{name}",
                     [Image.open(folder / f"{t:06d}.png").convert("RGB") for t in chosen]))
    sheet = Image.new("RGB", (LABEL + FRAMES * (SIZE + 2), len(rows) * (SIZE + 2)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for y, (label, pictures) in enumerate(rows):
        draw.multiline_text((6, y * (SIZE + 2) + SIZE // 2 - 10), label, fill="black", font=font)
        for x, picture in enumerate(pictures):
            sheet.paste(picture.resize((SIZE, SIZE), Image.NEAREST),
                        (LABEL + x * (SIZE + 2), y * (SIZE + 2)))
    sheet.quantize(256).save(args.picture, optimize=True)


if __name__ == "__main__":
    main()
