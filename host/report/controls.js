/* controls.js - what the pages of one and of two classes have in common: the controls of the clip and the graph. */
cfp.controls = (function () {
    "use strict";
    const find = (id) => document.getElementById(id);
    const {number, counted} = cfp.panels;

    function option(select, value, text) {
        const made = document.createElement("option");
        made.value = String(value);
        made.textContent = text;
        select.append(made);
    }

    /* Sets up the clip and its controls.  moved(t) is called when another frame is shown; about() gives the title and
     * the lines of a saved picture.  Returns {player, tell, colours}: call tell() after the caption changed;
     * colours(maps, map) sets the choice of colour maps. */
    function clip(data, moved, about) {
        const player = cfp.player.create(data, find("frame"), (t) => { find("time").value = t; tell(); });

        function tell() {
            const said = "frame " + (player.t + 1) + " of " + data.frames.length + " (frame " + data.run.frames.indices[player.t]
                + " of the source)";
            find("shown-frame").textContent = said;
            find("time").setAttribute("aria-valuetext", said);
            find("frame").setAttribute("aria-label", "The clip, " + said + ", " + find("caption").textContent);
            moved(player.t);
        }
        function picture() {
            const {title, lines} = about(), said = [find("shown-frame").textContent + ". " + find("caption").textContent];
            const ends = ["scale-low", "scale-middle", "scale-high"].map((id) => find(id).textContent);
            return cfp.picture.frame(find("frame"), find("scale"), {title, lines: lines.concat(said), ends});
        }
        function scale() {
            const context = find("scale").getContext("2d"), picture = context.createImageData(256, 1);
            const table = data.tables[player.colormap];
            for (let i = 0; i < 256; i++)
                picture.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
            context.putImageData(picture, 0, 0);
        }
        function colours(maps, map) {
            player.colormap = map;
            find("colormap").replaceChildren();
            maps.forEach((name) => option(find("colormap"), name, name));
            find("colormap").value = map;
            scale();
        }
        function play(on) {
            player.play(on);
            find("play").textContent = on ? "Pause" : "Play";
            find("play").setAttribute("aria-pressed", String(on));
        }
        function go(t) {
            play(false);
            player.go(t);
            find("time").value = player.t;
            tell();
        }
        find("frame").classList.toggle("coarse", data.run.frames.width < 200);
        find("time").max = data.frames.length - 1;
        find("alpha").value = player.alpha;
        find("save-frame").addEventListener("click", () => cfp.picture.save("frame-" + (player.t + 1) + ".png", picture()));
        find("play").addEventListener("click", () => play(!player.playing));
        find("time").addEventListener("input", () => go(Number(find("time").value)));
        find("alpha").addEventListener("input", function () {
            player.alpha = Number(find("alpha").value);
            find("alpha-value").textContent = player.alpha.toFixed(2);
            player.draw();
        });
        find("colormap").addEventListener("change", function () {
            player.colormap = find("colormap").value;
            scale();
            player.draw();
        });
        find("frame").addEventListener("keydown", function (event) {
            const steps = {ArrowLeft: -1, ArrowRight: 1};
            if (event.key === " ")
                play(!player.playing);
            else if (steps[event.key] !== undefined)
                go(player.t + steps[event.key]);
            else
                return;
            event.preventDefault();
        });
        find("alpha-value").textContent = player.alpha.toFixed(2);
        return {player, tell, colours, picture};
    }

    /* Fills the list of layers.  A choice calls show(number). */
    function layers(data, show) {
        data.layers.forEach(function (l) {
            option(find("layer"), l.number, l.name + (l.tube === null ? " (no tube)" : " (depth " + l.depth + ")"));
        });
        find("layer").addEventListener("change", () => show(Number(find("layer").value)));
    }

    function limits(graph, id, field, values, changed) {
        values.filter((v, i) => i === 0 || v > 0).forEach((v) => option(find(id), v, number(v)));
        option(find(id), 1e9, "all");
        find(id).value = String(graph.limits[field]);
        find(id).addEventListener("change", function () {
            graph.limits[field] = Number(find(id).value);
            graph.arrange();
            changed();
        });
    }

    /* Sets up the controls of the graph.  changed() is called when it draws more or less; choose(-1) clears the
     * choice; about() gives the title, the lines and the legend of a saved picture. */
    function pyramid(graph, choose, changed, about) {
        limits(graph, "kernels-drawn", "kernels", [12, 20, 40, 100, 250], changed);
        limits(graph, "links-drawn", "links", [500, 1000, 4000, 20000, 100000], changed);
        find("whole").addEventListener("click", () => graph.zoomTo(1));
        find("clear").addEventListener("click", () => choose(-1));
        find("save-png").addEventListener("click", () => cfp.picture.save("pyramid.png", cfp.picture.pyramidPng(graph, about())));
        find("save-svg").addEventListener("click", function () {
            const svg = cfp.picture.pyramidSvg(graph, about());
            cfp.picture.save("pyramid.svg", URL.createObjectURL(new Blob([svg], {type: "image/svg+xml"})));
        });
        window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", graph.redraw);
        new ResizeObserver(graph.resize).observe(find("graph"));
    }

    /* Shows words beside the pointer; null hides them. */
    function tip(words, x, y) {
        const box = find("tip"), width = find("graph").clientWidth, right = x > width / 2;
        box.hidden = words === null;
        box.textContent = words || "";
        box.style.left = right ? "auto" : (x + 14) + "px";
        box.style.right = right ? (width - x + 14) + "px" : "auto";
        box.style.top = Math.max(0, y - 12) + "px";
    }

    /* A sentence that says how many kernels and links are drawn. */
    function drawn(counts, of) {
        return "Drawn: " + number(counts.kernels) + " of " + counted(of, "kernel")
            + (counts.links < counts.between
                ? ", " + number(counts.links) + " of " + counted(counts.between, "link") + " between them, the strongest of each layer."
                : (counts.between === 1 ? " and the 1 link" : " and all " + number(counts.between) + " links") + " between them.");
    }

    return {option, clip, layers, pyramid, tip, drawn};
}());

