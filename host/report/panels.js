
/* panels.js - the panels of text: the chosen kernel, the layers, the run. */
cfp.panels = (function () {
    "use strict";
    const LISTED = 40, STRONGEST = 12;
    const find = (id) => document.getElementById(id);
    const {element, number, counted} = elements;
    const short = (v) => v.toFixed(3);

    function kernelName(data, k) {
        const layer = data.layers[data.layerOf[k]];
        return (layer.depth === 0 ? "class " : "kernel ") + data.kernelOf[k] + " of " + layer.name;
    }

    function bar(part) {
        const made = element("span", null, {class: "bar", "aria-hidden": "true"}), fill = element("i", null);
        fill.style.width = (100 * Math.min(1, part)) + "%";
        made.append(fill);
        return made;
    }

    /* Lists kernels with their values, from 0 to 1, as bars. */
    function listed(data, list, items, choose) {
        list.replaceChildren();
        items.forEach(function (item) {
            const row = element("li", null), button = element("button", kernelName(data, item.kernel), {type: "button"});
            button.addEventListener("click", () => choose(item.kernel));
            row.append(button, bar(item.value), element("span", short(item.value), {class: "number faint"}));
            list.append(row);
        });
    }

    function kin(data, list, items, head, word, choose) {
        head.textContent = number(items.length) + " " + word[items.length === 1 ? 0 : 1];
        listed(data, list, items.slice(0, LISTED), choose);
        if (items.length > LISTED)
            list.append(element("li", "and " + counted(items.length - LISTED, "weaker one"), {class: "faint"}));
    }

    /* The strongest kernels of a layer, as long as none is chosen. */
    function strongest(data, now, layer, choose) {
        const items = Array.from({length: layer.count}, (_, i) => layer.first + i).filter((k) => now.relevance[k] >= 0)
            .map((kernel) => ({kernel, value: now.relevance[kernel]})).sort((a, b) => b.value - a.value || a.kernel - b.kernel);
        find("kernel-head").textContent = "Strongest kernels of " + layer.name;
        find("kernel-about").textContent = items.length === 0 ? "None is selected at theta " + now.theta + "."
            : "By relevance, at theta " + now.theta + ". Click one, here or in the pyramid, to see its tube, the kernels that asked"
                + " for it (parents) and the kernels that it asked for (children).";
        listed(data, find("strongest"), items.slice(0, STRONGEST), choose);
    }

    function aboutTube(data, k, layer) {
        const tube = cfp.tubes.ofKernel(data, k);
        return tube !== null ? tube.own ? "The clip shows its own map." : "The clip shows its own tube."
            : layer.tube === null ? "Its layer has no tube."
                : "The clip shows its layer\u2019s tube." + (data.query.tubes === "kernels"
                    ? data.tubesLeftOut > 0 ? " The kernel\u2019s own tube is not in this page; explanation.h5 has it." : ""
                    : (layer.parts !== null ? " The page holds the own maps of only the most relevant kernels of each layer." : "")
                        + " With --tubes kernels each kernel gets its own tube.");
    }

    function kernel(data, now, k, shown, relatives, choose) {
        const chosen = k >= 0, about = find("kernel-about");
        find("clear").hidden = find("relatives").hidden = !chosen;
        find("strongest").hidden = chosen;
        if (!chosen) {
            strongest(data, now, shown, choose);
            return;
        }
        const layer = data.layers[data.layerOf[k]], left = now.relevance[k] >= 0, tube = aboutTube(data, k, layer);
        find("kernel-head").textContent = kernelName(data, k);
        about.textContent = "Depth " + layer.depth + ", " + layer.op + ". "
            + (left ? "Relevance " + short(now.relevance[k]) : "Not selected at theta " + now.theta) + ". " + tube
            + (data.links.deciding > 0 ? " The page does not hold all links, so parents and children may be missing." : "");
        kin(data, find("parents"), relatives.parents, find("parents-head"), ["parent", "parents"], choose);
        kin(data, find("children"), relatives.children, find("children-head"), ["child", "children"], choose);
    }

    /* Makes the rows of the table of layers.  The returned function fills in what depends on theta. */
    function layers(data, show) {
        const body = document.querySelector("#layers tbody");
        const rows = data.layers.map(function (layer) {
            const row = element("tr", null), name = element("td", null), count = element("td", "", {class: "number"});
            const button = element("button", layer.name, {type: "button"});
            const cell = element("td", null, {"aria-hidden": "true"});
            const line = bar(0), fill = line.firstChild;
            button.addEventListener("click", () => show(layer.number));
            if (layer.tube === null)
                button.title = "no tube";
            name.append(button);
            cell.append(line);
            row.append(element("td", String(layer.depth), {class: "number"}), name, count, cell);
            body.append(row);
            return {row, count, fill, layer};
        });
        return function (now, shown) {
            rows.forEach(function (r) {
                const selected = now.selected[r.layer.number];
                r.count.textContent = number(selected) + " / " + number(r.layer.channels);
                r.fill.style.width = (100 * selected / r.layer.channels) + "%";
                r.row.classList.toggle("shown", r.layer.number === shown);
            });
            const below = rows.filter((r) => r.layer.depth > 0 && r.layer.channels > 1);
            const full = below.filter((r) => 10 * now.selected[r.layer.number] >= 9 * r.layer.channels).length;
            find("layers-sum").textContent = counted(now.selected.reduce((a, b) => a + b, 0), "kernel") + " in "
                + counted(now.selected.filter((n) => n > 0).length, "layer")
                + (2 * full > below.length ? "; saturated: in " + full + " of " + counted(below.length, "layer")
                    + " at least 90 % of the kernels are selected" : "");
        };
    }

    function facts(data) {
        const run = data.run, frames = run.frames, list = find("run"), classes = run.classes || [run["class"]];
        const options = Object.keys(run.options).filter((o) => run.options[o] !== "").map((o) => "--" + o + " " + run.options[o]);
        const versions = Object.keys(run.versions).filter((v) => v !== "backend");
        const rows = [
            ["model", run.model_name === "" ? run.model : run.model_name + " (" + run.model + ")"],
            ["clip", run.clip],
            ...classes.map((c, i) => ["class" + (classes.length > 1 ? " " + "AB"[i] : ""),
                c.index + ", " + c.name + ", probability " + c.probability.toFixed(4) + " (" + run.head + ")"]),
            ["frames", data.frames.length + " of the source\u2019s " + counted(frames.source_frames, "frame") + ", stride " + frames.stride
                + (frames.looped ? ", looped" : "") + ": numbers " + frames.indices.join(" ") + ". Each is " + frames.width + " x "
                + frames.height + " pixels, from " + frames.source_width + " x " + frames.source_height + " ("
                + frames.resize_filter + ")"],
            ["device", run.device + " (" + run.device_detail + "), " + run.precision + ", " + counted(run.threads, "thread") + ", seed "
                + run.seed],
            ["options", options.join("  ")],
            ["versions", versions.map((v) => v + " " + run.versions[v]).join(", ")],
            ["SHA-256", "model " + run.model_sha256 + ", clip " + run.clip_sha256],
            ["times, command", "in run.json, in the same folder as this page"],
        ];
        rows.forEach((row) => list.append(element("dt", row[0]), element("dd", row[1])));
        elements.fillTop(find("top"), data.top, classes.map((c) => c.index));
    }

    return {element, kernel, kernelName, kin, layers, facts, number, counted, short};
}());
