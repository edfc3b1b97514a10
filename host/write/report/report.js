
/* report.js - the page: what was chosen, and who is told of it. */
cfp.page = (function () {
    "use strict";
    const find = (id) => document.getElementById(id);
    const data = cfp.data.read(JSON.parse(find("data").textContent));
    const {number, short, kernelName} = cfp.panels;
    const player = cfp.player.create(data, find("frame"), (t) => { find("time").value = t; tellFrame(); });
    let now = cfp.descent.at(data, data.query.theta), layer = -1;
    const graph = cfp.graph.create(data, find("graph"), {hover, choose});
    const fillLayers = cfp.panels.layers(data, showLayer);

    function tellFrame() {
        const said = "frame " + (player.t + 1) + " of " + data.frames.length + ", " + data.run.frames.indices[player.t]
            + " of the source";
        find("shown-frame").textContent = said;
        find("time").setAttribute("aria-valuetext", said);
        find("frame").setAttribute("aria-label", "The clip, " + said + ", " + find("caption").textContent);
    }

    /* The tube over the clip: the chosen kernel's where there is one, else its layer's. */
    function showTube() {
        const own = graph.chosen >= 0 ? data.kernelTube.get(graph.chosen) : undefined;
        const tube = own !== undefined ? own : layer >= 0 ? data.layers[layer].tube : null;
        const what = tube === null ? "No tube" + (layer >= 0 ? " of " + data.layers[layer].name : "") + ": the clip alone."
            : own !== undefined ? "Tube of " + kernelName(data, graph.chosen) + "."
                : "Tube of " + tube.layer.name + ", depth " + tube.layer.depth + ": its " + number(tube.layer.count)
                    + " selected kernels at theta " + data.query.theta + ".";
        find("caption").textContent = what + (tube !== null && !(tube.max > tube.min) ? " It is the same everywhere." : "");
        player.show(tube);
        tellFrame();
    }

    function showLayer(l) {
        layer = graph.layer = l;
        find("layer").value = String(l);
        fillLayers(now, layer);
        graph.redraw();
        showTube();
    }

    function choose(kernel) {
        graph.choose(kernel);
        cfp.panels.kernel(data, now, kernel, graph.relatives(), choose);
        if (kernel >= 0)
            showLayer(data.layerOf[kernel]);
        else
            showTube();
        tellDrawn();
        hover(-1, 0, 0);
    }

    function hover(kernel, x, y) {
        const tip = find("tip");
        tip.hidden = kernel < 0;
        if (kernel < 0)
            return;
        tip.textContent = kernelName(data, kernel) + ", "
            + (now.relevance[kernel] >= 0 ? "R " + short(now.relevance[kernel]) : "below theta");
        const room = find("graph").clientWidth, right = x > room / 2;
        tip.style.left = right ? "auto" : (x + 14) + "px";
        tip.style.right = right ? (room - x + 14) + "px" : "auto";
        tip.style.top = Math.max(0, y - 12) + "px";
    }

    function setTheta(theta) {
        now = cfp.descent.at(data, theta);
        find("theta").value = find("theta-number").value = String(theta);
        fillLayers(now, layer);
        graph.show(now);
        cfp.panels.kernel(data, now, graph.chosen, graph.relatives(), choose);
        tellTheta();
        tellDrawn();
    }

    function tellTheta() {
        const moved = now.theta !== data.query.theta;
        find("exact").textContent = !moved ? ""
            : data.query.rule === "grad" && data.query.mask !== "none"
                ? "Kernels whose relevance is at least " + now.theta + " in this run. With --mask selected this is no run"
                    + " at that theta: its gradients would be masked to fewer kernels. --mask none has theta exact."
                : "Kernels and relevances are those of explain --theta " + now.theta
                    + ", exactly. Tubes stay those of theta " + data.query.theta + ".";
        find("theta").setAttribute("aria-valuetext", "theta " + now.theta);
    }

    function tellDrawn() {
        const c = graph.counts, left = now.selected.reduce((a, b) => a + b, 0), links = data.links;
        let said = "Drawn: " + number(c.kernels) + " of " + number(data.n) + " kernels"
            + (left < data.n ? " (" + number(left) + " selected at this theta)" : "")
            + (c.links < c.between
                ? ", " + number(c.links) + " of " + number(c.between) + " links between them, each layer\u2019s strongest."
                : " and all " + number(c.between) + " links between them.");
        if (links.deciding > 0)
            said += " This page holds " + number(links.target.length) + " of the run\u2019s " + number(links.total)
                + " links: all above " + (Math.ceil(links.weakest * 1e4) / 1e4) + ", and the " + number(links.deciding)
                + " that decide which kernels stay as theta rises.";
        if (data.tubesLeftOut > 0)
            said += " It had no room for " + number(data.tubesLeftOut)
                + " kernel tubes, of the least relevant kernels; explanation.h5 has them.";
        find("drawn").textContent = said;
    }

    function option(select, value, text) {
        const made = document.createElement("option");
        made.value = String(value);
        made.textContent = text;
        select.append(made);
    }

    function save(name, url) {
        const link = document.createElement("a");
        link.href = url;
        link.download = name;
        link.click();
    }

    function limits(id, field, values) {
        values.filter((v, i) => i === 0 || v > 0).forEach((v) => option(find(id), v, number(v)));
        option(find(id), 1e9, "all");
        find(id).value = String(graph.limits[field]);
        find(id).addEventListener("change", function () {
            graph.limits[field] = Number(find(id).value);
            graph.arrange();
            tellDrawn();
        });
    }

    function scale() {
        const context = find("scale").getContext("2d"), picture = context.createImageData(256, 1);
        const table = data.tables[player.colormap];
        for (let i = 0; i < 256; i++)
            picture.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
        context.putImageData(picture, 0, 0);
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
        tellFrame();
    }

    function setUpClip() {
        data.layers.forEach(function (l) {
            option(find("layer"), l.number, l.name + (l.tube === null ? " (no tube)" : " (depth " + l.depth + ")"));
        });
        Object.keys(data.tables).forEach((map) => option(find("colormap"), map, map));
        find("frame").classList.toggle("coarse", data.run.frames.width < 200);
        find("time").max = data.frames.length - 1;
        find("alpha").value = player.alpha;
        find("colormap").value = player.colormap;
        find("play").addEventListener("click", () => play(!player.playing));
        find("time").addEventListener("input", () => go(Number(find("time").value)));
        find("layer").addEventListener("change", function () {
            choose(-1);
            showLayer(Number(find("layer").value));
        });
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
        scale();
    }

    function setUpPyramid() {
        ["theta", "theta-number"].forEach(function (id) {
            find(id).min = data.query.theta;
            find(id).max = 1;
        });
        find("theta").addEventListener("input", () => setTheta(Number(find("theta").value)));
        find("theta-number").addEventListener("change", function () {
            const typed = Number(find("theta-number").value);
            setTheta(Math.min(1, Math.max(data.query.theta, isNaN(typed) ? data.query.theta : typed)));
        });
        limits("kernels-drawn", "kernels", [20, 40, 100, 250]);
        limits("links-drawn", "links", [1000, 4000, 20000, 100000]);
        find("whole").addEventListener("click", () => graph.zoomTo(1));
        find("clear").addEventListener("click", () => choose(-1));
        find("save-png").addEventListener("click", () => save("pyramid.png", find("graph").toDataURL("image/png")));
        find("save-svg").addEventListener("click", function () {
            save("pyramid.svg", URL.createObjectURL(new Blob([graph.svg()], {type: "image/svg+xml"})));
        });
        window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", graph.redraw);
        new ResizeObserver(graph.resize).observe(find("graph"));
        find("graph").setAttribute("aria-label", "The pyramid: " + number(data.n) + " kernels in " + data.layers.length
            + " layers, " + number(data.links.total) + " links. The lists below say the same in words.");
    }

    function start() {
        const c = data.run["class"], model = data.run.model_name === "" ? data.run.model : data.run.model_name;
        document.title = c.name + " \u2013 class feature pyramid";
        find("title").textContent = c.name;
        find("about").textContent = "Class " + c.index + " at probability " + c.probability.toFixed(4) + ": what " + model
            + " rests on in " + data.run.clip + ", by rule " + data.query.rule + " at theta " + data.query.theta
            + (data.query.propagate === "path" ? " along paths" : "") + ".";
        setUpClip();
        setUpPyramid();
        cfp.panels.facts(data);
        const first = data.layers.findIndex((l) => l.tube !== null);
        setTheta(data.query.theta);
        showLayer(first >= 0 ? first : 0);
        document.documentElement.dataset.ready = "no";
        player.ready.then(() => { document.documentElement.dataset.ready = "yes"; });
    }
    start();

    return {data, graph, player, choose, setTheta, showLayer, now: () => now};
}());
