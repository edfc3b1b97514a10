
/* report.js - the page of one explanation: connects the controls, the graph and the panels. */
cfp.page = (function () {
    "use strict";
    const find = (id) => document.getElementById(id);
    const data = cfp.data.read(JSON.parse(find("data").textContent));
    const {number, counted, short, kernelName} = cfp.panels;
    let now = cfp.descent.at(data, data.query.theta), layer = -1, tubes = [], waiting = false;
    const when = cfp.when.create(data, showLayer);
    const clip = cfp.controls.clip(data, when.mark, aboutPicture), player = clip.player;
    const graph = cfp.graph.create(data, find("graph"), {hover, choose});
    const fillLayers = cfp.panels.layers(data, showLayer);

    /* What a tube is, in words. */
    function aboutKernel(own) {
        return own.own ? "Map of " + kernelName(data, graph.chosen) + ": where it responds"
            + (data.query.rule === "grad" ? ", times its gradient." : ".")
            : "Tube of " + kernelName(data, graph.chosen) + ": the channels that it selects, added up.";
    }

    function aboutLayer(made, l) {
        if (made.tube === null)
            return "No tube for " + l.name + (l.tube === null ? "" : " at theta " + now.theta) + ", so the clip is shown alone.";
        const moves = made.moves || made.exact;
        return "Tube of " + l.name + ", depth " + l.depth + ": its " + counted(moves ? made.of : l.count, "selected kernel")
            + " at theta " + (moves ? now.theta : data.query.theta) + "."
            + (moves && !made.exact ? " It is not exact: of weaker kernels the page holds only the maps of groups." : "");
    }

    function aboutSize(tube, l) {
        const steps = tube.size[0], from = l.tube.size, reduced = tube.levels instanceof Float32Array && l.parts.reduced > 1;
        return (tube.max > tube.min ? "" : " It has the same value everywhere.")
            + (steps < data.frames.length ? " It has " + counted(steps, "time step") + " for " + counted(data.frames.length, "frame") + "." : "")
            + (reduced ? " To keep the page small it is made of maps of " + tube.size[1] + " x " + tube.size[2] + " instead of " + from[1]
                + " x " + from[2] + "." : "");
    }

    /* Shows the tube of the chosen kernel over the clip, or of its layer if the page has none of the kernel. */
    function showTube() {
        const own = graph.chosen >= 0 ? cfp.tubes.ofKernel(data, graph.chosen) : null;
        const l = data.layers[layer], made = own !== null ? own : tubes[layer];
        find("caption").textContent = (own !== null ? aboutKernel(own) : aboutLayer(made, l))
            + (made.tube !== null ? aboutSize(made.tube, own !== null && !own.own ? {tube: made.tube, parts: null} : l) : "");
        player.show(made.tube);
        clip.tell();
    }

    function showLayer(l) {
        if (graph.chosen >= 0 && data.layerOf[graph.chosen] !== l)
            graph.choose(-1);
        layer = graph.layer = l;
        find("layer").value = String(l);
        fillLayers(now, layer);
        graph.redraw();
        fillPanels();
        showTube();
    }

    /* What depends on the layer and on the chosen kernel. */
    function fillPanels() {
        when.show(tubes.map((made) => made.tube), layer);
        cfp.panels.kernel(data, now, graph.chosen, data.layers[layer], graph.relatives(), choose);
    }

    function choose(kernel) {
        graph.choose(kernel);
        showLayer(kernel >= 0 ? data.layerOf[kernel] : layer);
        tellDrawn();
        hover(-1, 0, 0);
    }

    function hover(kernel, x, y) {
        cfp.controls.tip(kernel < 0 ? null : kernelName(data, kernel) + ", "
            + (now.relevance[kernel] >= 0 ? "R " + short(now.relevance[kernel]) : "below theta"), x, y);
    }

    function setTheta(theta) {
        now = cfp.descent.at(data, theta);
        tubes = data.layers.map((l) => cfp.tubes.ofLayer(data, now, l));
        find("theta").value = find("theta-number").value = String(theta);
        fillLayers(now, layer);
        graph.show(now);
        if (layer >= 0) {
            fillPanels();
            showTube();
        }
        tellTheta();
        tellDrawn();
    }

    /* The slider asks more often than the page can draw. */
    function slide() {
        if (!waiting)
            window.requestAnimationFrame(function () {
                waiting = false;
                setTheta(Number(find("theta").value));
            });
        waiting = true;
    }

    /* What a saved picture says. */
    function aboutPicture() {
        const c = data.run["class"], raised = now.theta !== data.query.theta, chosen = graph.chosen >= 0;
        const legend = [["circle", "node", "selected kernel; larger: more relevant"], ["line", "link", "link; darker: stronger"]]
            .concat(raised ? [["ring", "gone", "below theta"]] : [], chosen ? [["circle", "chosen", kernelName(data, graph.chosen)],
                ["circle", "parent", "its parents"], ["circle", "child", "its children"]] : []);
        return {title: find("title").textContent + ", probability " + c.probability.toFixed(3), legend,
                lines: [find("about").textContent + (raised ? " Shown at theta " + now.theta + "." : "")]};
    }

    function tellTheta() {
        const moved = now.theta !== data.query.theta;
        find("exact").textContent = !moved ? ""
            : data.query.rule === "grad" && data.query.mask !== "none"
                ? "The kernels whose relevance in this run is at least " + now.theta + ". A run at that theta gives other"
                    + " relevances, because --mask selected masks its gradients to fewer kernels. With --mask none they are equal."
                : "The kernels and relevances are exactly those of explain --theta " + now.theta + "."
                    + (tubes.some((made) => made.tube !== null && !made.moves && !made.exact)
                        ? " The tubes are still those of theta " + data.query.theta + "." : "");
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
        find("theta").addEventListener("input", slide);
        find("theta-number").addEventListener("change", function () {
            const typed = Number(find("theta-number").value);
            setTheta(Math.min(1, Math.max(data.query.theta, isNaN(typed) ? data.query.theta : typed)));
        });
        cfp.controls.pyramid(graph, choose, tellDrawn, aboutPicture);
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
        when.mark(0);
        document.documentElement.dataset.ready = "no";
        player.ready.then(() => { document.documentElement.dataset.ready = "yes"; });
    }
    start();

    return {data, graph, player, clip, choose, setTheta, showLayer, aboutPicture, now: () => now, tubes: () => tubes};
}());
