
/* panels.js - the panels of text: the chosen kernel, the layers, the run.  Names come from files, so they enter the
 * page as text, never as markup. */
cfp.panels = (function () {
    "use strict";
    const LISTED = 40;

    function element(tag, text, attributes) {
        const made = document.createElement(tag);
        if (text !== null)
            made.textContent = text;
        Object.keys(attributes || {}).forEach((name) => made.setAttribute(name, attributes[name]));
        return made;
    }
    const find = (id) => document.getElementById(id);
    const number = (n) => n.toLocaleString("en");
    const counted = (n, word) => number(n) + " " + word + (n === 1 ? "" : "s");
    const short = (v) => v.toFixed(3);

    function kernelName(data, k) {
        const layer = data.layers[data.layerOf[k]];
        return (layer.depth === 0 ? "class " : "kernel ") + data.kernelOf[k] + " of " + layer.name;
    }

    function kin(data, list, items, head, word, choose) {
        head.textContent = number(items.length) + " " + word[items.length === 1 ? 0 : 1];
        list.replaceChildren();
        items.slice(0, LISTED).forEach(function (item) {
            const row = element("li", null), button = element("button", kernelName(data, item.kernel), {type: "button"});
            button.addEventListener("click", () => choose(item.kernel));
            row.append(button, element("span", short(item.value), {class: "number faint"}));
            list.append(row);
        });
        if (items.length > LISTED)
            list.append(element("li", "and " + counted(items.length - LISTED, "weaker one"), {class: "faint"}));
    }

    function kernel(data, now, k, relatives, choose) {
        const chosen = k >= 0, about = find("kernel-about");
        find("kernel-head").textContent = chosen ? kernelName(data, k) : "Kernel";
        find("clear").hidden = find("relatives").hidden = !chosen;
        if (!chosen) {
            about.textContent = "Click a kernel in the pyramid to see its tube, the kernels that asked for it (parents) and"
                + " the kernels that it asked for (children).";
            return;
        }
        const layer = data.layers[data.layerOf[k]], left = now.relevance[k] >= 0;
        const tube = data.kernelTube.has(k) ? "The clip shows its own tube."
            : layer.tube !== null ? "The clip shows its layer\u2019s tube."
                + (data.query.tubes !== "kernels" ? " With --tubes kernels each kernel gets its own."
                    : data.tubesLeftOut > 0 ? " The kernel\u2019s own tube is not in this page; explanation.h5 has it." : "")
                : "Its layer has no tube.";
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
            const bar = element("span", null, {class: "bar"}), fill = element("i", null);
            button.addEventListener("click", () => show(layer.number));
            if (layer.tube === null)
                button.title = "no tube";
            name.append(button);
            bar.append(fill);
            cell.append(bar);
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
        data.top.forEach(function (c) {
            const row = element("li", null, classes.some((k) => k.index === c.index) ? {class: "this"} : {});
            row.append(element("span", c.name), element("span", (100 * c.probability).toFixed(1) + " %", {class: "number"}));
            find("top").append(row);
        });
    }

    return {element, kernel, kernelName, kin, layers, facts, number, counted, short};
}());
