
/* report.js - the page of one explanation: connects the controls, the graph and the panels. */
cfp.page = (function () {
    "use strict";
    const find = (id) => document.getElementById(id);
    const data = cfp.data.read(JSON.parse(find("data").textContent));
    const {number, counted, short, kernelName} = cfp.panels;
    const clip = cfp.controls.clip(data), player = clip.player;
    let now = cfp.descent.at(data, data.query.theta), layer = -1;
    const graph = cfp.graph.create(data, find("graph"), {hover, choose});
    const fillLayers = cfp.panels.layers(data, showLayer);

    /* Shows the tube of the chosen kernel over the clip, or of its layer if the kernel has none. */
    function showTube() {
        const own = graph.chosen >= 0 ? data.kernelTube.get(graph.chosen) : undefined;
        const tube = own !== undefined ? own : layer >= 0 ? data.layers[layer].tube : null;
        const what = tube === null ? "No tube" + (layer >= 0 ? " for " + data.layers[layer].name : "") + ", so the clip is shown alone."
            : own !== undefined ? "Tube of " + kernelName(data, graph.chosen) + "."
                : "Tube of " + tube.layer.name + ", depth " + tube.layer.depth + ": its " + counted(tube.layer.count, "selected kernel")
                    + " at theta " + data.query.theta + ".";
        find("caption").textContent = what + (tube !== null && !(tube.max > tube.min) ? " It has the same value everywhere." : "");
        player.show(tube);
        clip.tell();
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
        cfp.controls.tip(kernel < 0 ? null : kernelName(data, kernel) + ", "
            + (now.relevance[kernel] >= 0 ? "R " + short(now.relevance[kernel]) : "below theta"), x, y);
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
                ? "The kernels whose relevance in this run is at least " + now.theta + ". A run at that theta gives other"
                    + " relevances, because --mask selected masks its gradients to fewer kernels. With --mask none they are equal."
                : "The kernels and relevances are exactly those of explain --theta " + now.theta
                    + ". The tubes are still those of theta " + data.query.theta + ".";
        find("theta").setAttribute("aria-valuetext", "theta " + now.theta);
    }

    function tellDrawn() {
        const left = now.selected.reduce((a, b) => a + b, 0), links = data.links;
        let said = cfp.controls.drawn(graph.counts, data.n)
            + (left < data.n ? " " + number(left) + (left === 1 ? " is" : " are") + " selected at this theta." : "");
        if (links.deciding > 0)
            said += " This page holds " + number(links.target.length) + " of the run\u2019s " + number(links.total)
                + " links: all above " + (Math.ceil(links.weakest * 1e4) / 1e4) + ", and the " + number(links.deciding)
                + " that decide which kernels are selected at a higher theta.";
        if (data.tubesLeftOut > 0)
            said += " " + counted(data.tubesLeftOut, "kernel tube") + " of the least relevant kernels "
                + (data.tubesLeftOut === 1 ? "is" : "are") + " not in this page, but in explanation.h5.";
        find("drawn").textContent = said;
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
        cfp.controls.pyramid(graph, choose, tellDrawn);
        find("graph").setAttribute("aria-label", "The pyramid: " + counted(data.n, "kernel") + " in " + counted(data.layers.length, "layer")
            + ", " + counted(data.links.total, "link") + ". The lists below have the same content as text.");
    }

    function start() {
        const c = data.run["class"], model = data.run.model_name === "" ? data.run.model : data.run.model_name;
        const title = (c.head === undefined ? "" : c.head + ": ") + c.name;
        document.title = title + " \u2013 class feature pyramid";
        find("title").textContent = title;
        find("about").textContent = "The kernels of " + model + " that class " + c.index
            + (c.head === undefined ? "" : " of the head " + c.head) + " (probability "
            + c.probability.toFixed(4) + ") rests on in " + data.run.clip + ". Rule " + data.query.rule + ", theta "
            + data.query.theta + (data.query.propagate === "path" ? ", propagated along paths" : "") + ".";
        clip.colours(Object.keys(data.tables), data.overlay.colormap);
        cfp.controls.layers(data, function (l) {
            choose(-1);
            showLayer(l);
        });
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
