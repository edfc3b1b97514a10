/* when.js - when each layer looks: a small curve for each layer, its saliency over the frames of the clip.  A click shows
 * the layer's tube. */
cfp.when = (function () {
    "use strict";
    const WIDE = 100, HIGH = 30; /* units of a curve's picture */
    const find = (id) => document.getElementById(id);
    const {element, counted} = cfp.panels;

    function drawing(name, attributes) {
        const made = document.createElementNS("http://www.w3.org/2000/svg", name);
        Object.keys(attributes).forEach((key) => made.setAttribute(key, attributes[key]));
        return made;
    }

    /* choose(l) is called when a layer is chosen. */
    function create(data, choose) {
        const T = data.frames.length, curves = new WeakMap(), box = find("curves");
        const across = (t) => (t + 0.5) * WIDE / T;
        const cells = data.layers.filter((layer) => layer.tube !== null).map(makeCell);

        function makeCell(layer, place) {
            const button = element("button", null, {type: "button", class: "cell"});
            const picture = drawing("svg", {viewBox: "0 0 " + WIDE + " " + HIGH, preserveAspectRatio: "none", "aria-hidden": "true"});
            const area = drawing("path", {class: "area"}), line = drawing("path", {class: "line", "vector-effect": "non-scaling-stroke"});
            const now = drawing("path", {class: "now", "vector-effect": "non-scaling-stroke"});
            const steps = layer.tube.size[0] < T ? counted(layer.tube.size[0], "step") : "";
            picture.append(area, now, line);
            button.append(picture, element("span", layer.name, {class: "name"}), element("span", steps, {class: "faint steps"}));
            button.addEventListener("click", () => choose(layer.number));
            button.addEventListener("keydown", (event) => move(event, place));
            box.append(button);
            return {layer, button, area, line, now};
        }

        /* One cell is reached by Tab; the arrow keys go on from there. */
        function move(event, place) {
            const across = cells.filter((c) => c.button.offsetTop === cells[0].button.offsetTop).length;
            const by = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across}[event.key];
            const to = by === undefined ? undefined : cells[place + by];
            if (to === undefined)
                return;
            event.preventDefault();
            to.button.focus();
            choose(to.layer.number);
        }

        function curveOf(tube) {
            if (!curves.has(tube))
                curves.set(tube, cfp.tubes.overTime(tube, T));
            return curves.get(tube);
        }

        function drawCell(cell, tube, shown) {
            const curve = tube === null ? Array.from({length: T}, () => 0) : curveOf(tube);
            const most = Math.max(...curve), peak = curve.indexOf(most);
            const up = (v) => HIGH - 1 - (most > 0 ? v / most : 0) * (HIGH - 4);
            const line = curve.map((v, t) => across(t).toFixed(2) + " " + up(v).toFixed(2)).join("L");
            const first = up(curve[0]).toFixed(2), last = up(curve[T - 1]).toFixed(2);
            const whole = "M0 " + first + "L" + line + "L" + WIDE + " " + last;
            cell.line.setAttribute("d", whole);
            cell.area.setAttribute("d", whole + "L" + WIDE + " " + HIGH + "L0 " + HIGH + "Z");
            cell.button.setAttribute("aria-pressed", String(shown));
            cell.button.tabIndex = shown ? 0 : -1;
            cell.button.title = cell.layer.name + ", depth " + cell.layer.depth + ": "
                + (most > 0 ? "highest in frame " + (peak + 1) + " of " + T + ", with a mean of " + most.toFixed(3) : "no saliency");
        }

        /* tubes: the tube of each layer now, or null.  shown: the layer whose tube is over the clip. */
        function show(tubes, shown) {
            cells.forEach((cell) => drawCell(cell, tubes[cell.layer.number], cell.layer.number === shown));
            if (cells.length > 0 && !cells.some((cell) => cell.layer.number === shown))
                cells[0].button.tabIndex = 0;
        }

        /* Marks the frame that is shown. */
        function mark(t) {
            const at = "M" + across(t).toFixed(2) + " 0V" + HIGH;
            cells.forEach((cell) => cell.now.setAttribute("d", at));
        }

        find("when").hidden = cells.length === 0;
        return {show, mark, curveOf};
    }

    return {create};
}());
