/* contrast.js - the page of two classes: connects the controls, the graph and the panels. */
cfp.page = (function () {
    "use strict";
    const find = (id) => document.getElementById(id);
    const data = cfp.both.read(JSON.parse(find("data").textContent));
    const {element, number, counted, short, kernelName} = cfp.panels;
    const [a, b] = data.run.classes, names = [a.name, b.name];
    const DIVERGING = ["coolwarm", "blackwhite"];
    const words = ["of both classes", "of A alone (" + a.name + ")", "of B alone (" + b.name + ")"];
    const clip = cfp.controls.clip(data, () => {}, aboutPicture), player = clip.player;
    const graph = cfp.graph.create(data, find("graph"), {hover, choose});
    const now = {theta: data.query.theta, relevance: data.relevance[0].map((v, k) => Math.max(v, data.relevance[1][k]))};
    const rows = layerRows();
    let layer = -1, mode = "difference";

    /* Shows the tubes of the chosen kernel, or of its layer if the kernel has none. */
    function showTube() {
        const own = graph.chosen >= 0 ? cfp.both.kernelTube(data, graph.chosen) : null;
        const l = data.layers[layer], from = own !== null ? own : l;
        const tube = mode === "difference" ? from.tube : from.tubes[mode === "a" ? 0 : 1];
        const what = own !== null ? kernelName(data, graph.chosen) : l.name + ", depth " + l.depth;
        find("caption").textContent = tube === null ? "No tube for " + what + (mode === "difference" ? "" : " and this class")
            + ", so the clip is shown alone." : mode === "difference"
            ? "Tube of A minus tube of B, " + what + ". Each tube is from 0 to 1. A difference of 0 means that they agree."
            : "Tube of " + (mode === "a" ? "A, " + names[0] : "B, " + names[1]) + ", " + what + ".";
        player.show(tube);
        clip.tell();
    }

    function setMode(to) {
        const differs = to === "difference";
        if (differs !== (mode === "difference") || player.colormap === "")
            clip.colours(Object.keys(data.tables).filter((map) => DIVERGING.includes(map) === differs),
                         differs ? data.overlay.colormap : "inferno");
        mode = to;
        find("scale-low").textContent = differs ? "\u22121: only B" : "0: lowest";
        find("scale-middle").textContent = differs ? "0" : "saliency";
        find("scale-high").textContent = differs ? "1: only A" : "1: highest";
        find("scale").setAttribute("aria-label", differs ? "Colours from \u22121, only B, to 1, only A"
            : "Colours from 0, the lowest saliency, to 1, the highest");
        showTube();
    }

    function showLayer(l) {
        layer = graph.layer = l;
        find("layer").value = String(l);
        rows.forEach((row, k) => row.classList.toggle("shown", k === l));
        graph.redraw();
        showTube();
    }

    function describe(k) {
        const [inA, inB] = data.relevance.map((list) => list[k]);
        return (inA >= 0 ? "R " + short(inA) + " for A" : "not selected for A") + ", "
            + (inB >= 0 ? "R " + short(inB) + " for B" : "not selected for B");
    }

    function choose(k) {
        graph.choose(k);
        find("kernel-head").textContent = k >= 0 ? kernelName(data, k) : "Kernel";
        find("clear").hidden = find("relatives").hidden = k < 0;
        find("kernel-about").textContent = k < 0
            ? "Click a kernel in the graph to see the kernels that asked for it (parents) and the kernels that it asked for (children)."
            : "Depth " + data.layers[data.layerOf[k]].depth + ", " + words[data.side[k]] + ": " + describe(k) + ".";
        const kin = graph.relatives();
        cfp.panels.kin(data, find("parents"), kin.parents, find("parents-head"), ["parent", "parents"], choose);
        cfp.panels.kin(data, find("children"), kin.children, find("children-head"), ["child", "children"], choose);
        if (k >= 0)
            showLayer(data.layerOf[k]);
        else
            showTube();
        tellDrawn();
        hover(-1, 0, 0);
    }

    function hover(k, x, y) {
        cfp.controls.tip(k < 0 ? null : kernelName(data, k) + " " + words[data.side[k]] + ": " + describe(k), x, y);
    }

    function tellDrawn() {
        let said = cfp.controls.drawn(graph.counts, data.n);
        const left = data.sources.some((source) => source.links.deciding > 0);
        if (left)
            said += " This page holds " + number(data.links.target.length) + " of the links, the strongest. There are "
                + data.sources.map((source) => number(source.links.total)).join(" for A and ")
                + " for B. A link that the page holds for only one class is shown as that class\u2019s alone.";
        const lacks = data.sources.reduce((sum, source) => sum + source.tubesLeftOut, 0);
        if (lacks > 0)
            said += " " + counted(lacks, "kernel tube") + (lacks === 1 ? " is" : " are") + " not in this page, but in contrast.h5.";
        find("drawn").textContent = said;
    }

    /* What a saved picture says. */
    function aboutPicture() {
        const shapes = [["circle", "both", "both classes"], ["peak", "only-a", "only A, " + a.name], ["well", "only-b", "only B, " + b.name]];
        return {title: a.name + " against " + b.name, lines: [find("about").textContent],
                legend: shapes.filter((_, side) => !graph.hides[side]).concat([["line", "both", "links, in the same colours"]])};
    }

    function layerRows() {
        const body = document.querySelector("#layers tbody");
        return data.layers.map(function (l) {
            const row = element("tr", null), name = element("td", null);
            const button = element("button", l.name, {type: "button"});
            const cell = element("td", null, {"aria-hidden": "true"}), bar = element("span", null, {class: "bar parts"});
            button.addEventListener("click", function () {
                choose(-1);
                showLayer(l.number);
            });
            [[1, "a"], [0, ""], [2, "b"]].forEach(function (part) {
                const fill = element("i", null, {class: part[1]});
                fill.style.width = (100 * l.counts[part[0]] / l.channels) + "%";
                bar.append(fill);
            });
            name.append(button);
            cell.append(bar);
            row.append(element("td", String(l.depth), {class: "number"}), name,
                       ...l.counts.map((n) => element("td", number(n), {class: "number"})), cell);
            body.append(row);
            return row;
        });
    }

    function setUpGraph() {
        find("legend-a").textContent = "only A, " + a.name;
        find("legend-b").textContent = "only B, " + b.name;
        ["show-both", "show-a", "show-b"].forEach(function (id, side) {
            find(id).addEventListener("change", function () {
                graph.hides[side] = !find(id).checked;
                graph.arrange();
                tellDrawn();
            });
        });
        cfp.controls.pyramid(graph, choose, tellDrawn, aboutPicture);
        const sum = [0, 1, 2].map((side) => data.layers.reduce((total, l) => total + l.counts[side], 0));
        const links = [0, 1, 2].map((side) => data.links.side.reduce((total, s) => total + (s === side ? 1 : 0), 0));
        const three = (list) => number(list[0]) + " of both, " + number(list[1]) + " of A alone, " + number(list[2]) + " of B alone";
        find("layers-sum").textContent = "kernels: " + three(sum);
        find("counts").textContent = "links: " + three(links);
        find("graph").setAttribute("aria-label", "The two pyramids: kernels, " + three(sum) + "; links, " + three(links)
            + ". The lists below have the same content as text.");
    }

    function start() {
        const model = data.run.model_name === "" ? data.run.model : data.run.model_name;
        document.title = a.name + " against " + b.name + " \u2013 class feature pyramids";
        find("name-a").textContent = "A: " + a.name;
        find("name-b").textContent = "B: " + b.name;
        find("about").textContent = "The kernels of " + model + " that two classes rest on in " + data.run.clip
            + ": A is class " + a.index + " (probability " + a.probability.toFixed(4) + "), B is class " + b.index
            + " (probability " + b.probability.toFixed(4) + "). Rule " + data.query.rule + ", theta " + data.query.theta + ".";
        find("mode-row").hidden = false;
        [["difference", "A minus B"], ["a", "A: " + a.name], ["b", "B: " + b.name]]
            .forEach((m) => cfp.controls.option(find("mode"), m[0], m[1]));
        find("mode").addEventListener("change", () => setMode(find("mode").value));
        cfp.controls.layers(data, function (l) {
            choose(-1);
            showLayer(l);
        });
        setUpGraph();
        cfp.panels.facts(data);
        graph.show(now);
        const first = data.layers.findIndex((l) => l.tube !== null);
        layer = first >= 0 ? first : 0;
        player.colormap = "";
        setMode("difference");
        choose(-1);
        showLayer(layer);
        document.documentElement.dataset.ready = "no";
        player.ready.then(() => { document.documentElement.dataset.ready = "yes"; });
    }
    start();

    return {data, graph, player, clip, choose, setMode, showLayer, aboutPicture};
}());
