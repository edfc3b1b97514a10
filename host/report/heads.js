/* heads.js - the page of a network with several heads: one class of each, side by side. */
const heads = (function () {
    "use strict";
    const data = JSON.parse(document.getElementById("data").textContent);

    const {element, percent} = elements;

    function card(of) {
        const section = element("section", null), link = element("a", "Its pyramid and tubes"), top = element("ol", null, {class: "top"});
        const head = element("h2", null);
        head.append(element("span", of.head + ": " + of.name), element("span", percent(of.probability), {class: "number"}));
        section.append(head);
        if (of.picture !== null) {
            const image = element("img", null);
            image.src = "data:image/jpeg;base64," + of.picture;
            image.alt = of.layer === null ? "The middle frame" : "The middle frame with the tube of " + of.layer;
            section.append(image, element("p", of.layer === null ? "no tube" : "tube of " + of.layer, {class: "faint"}));
        }
        link.href = of.href;
        elements.fillTop(top, of.top, [of.index]);
        section.append(top, link);
        return section;
    }

    function row(cells, kind) {
        const made = element("tr", null);
        cells.forEach((cell, k) => made.append(element(kind, cell === null ? "-" : String(cell), k === 1 ? {} : {class: "number"})));
        return made;
    }

    document.title = data.action.name + " \u2013 class feature pyramids";
    document.getElementById("action").textContent = data.action.name + "  " + percent(data.action.probability);
    document.getElementById("about").textContent = "One class of each head of " + data.model + ", for " + data.clip
        + ". The probability of the action is the product of theirs. Rule " + data.rule + ", theta " + data.theta + ".";
    document.getElementById("heads").append(...data.heads.map(card));
    const table = document.getElementById("layers");
    table.tHead.append(row(["depth", "layer", "kernels", ...data.heads.map((of) => of.head), "all"], "th"));
    const layers = [...data.layers].sort((a, b) => a.depth - b.depth);
    table.tBodies[0].append(...layers.map((l) => row([l.depth, l.name, l.kernels, ...l.selected, l.all], "td")));
    document.documentElement.dataset.ready = "yes";
    return {data};
}());
