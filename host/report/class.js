/* class.js - the page of one class over many clips: how often each kernel is selected, and where. */
const page = (function () {
    "use strict";
    const LISTED = 300, LEFT = 46, GAP = 1; /* kernels in the list; pixels */
    const find = (id) => document.getElementById(id);
    const data = JSON.parse(find("data").textContent), n = data.clips.length;
    const {element, number, counted} = elements;
    const three = (v) => v === null ? "\u2013" : v.toFixed(3);
    let shown = -1, size = {width: 0, height: 0};

    const last = (path) => path.split("/").filter((part) => part !== "").pop() || path;

    /* A clip's name, linked to its report if there is one. */
    function clipOf(i, whole) {
        const clip = data.clips[i], words = whole ? clip.id : last(clip.id);
        const made = clip.href === null ? element("span", words) : element("a", words, {href: clip.href});
        made.title = clip.id;
        return made;
    }

    /* The kernels of each layer, sorted by how many clips select them. */
    const orders = data.layers.map((layer) => layer.kernel.map((_, k) => k)
        .sort((a, b) => layer.count[b] - layer.count[a] || layer.relevance[b] - layer.relevance[a] || a - b));

    function fillLayers() {
        return data.layers.map(function (layer, l) {
            const row = element("tr", null), name = element("td", null), bar = element("span", null, {class: "against"});
            const button = element("button", layer.name, {type: "button"}), cell = element("td", null, {"aria-hidden": "true"});
            const every = layer.count.filter((c) => c === n).length;
            button.addEventListener("click", () => show(l));
            name.append(button);
            if (layer.consistency !== null) {
                const mine = element("i", null), chance = element("b", null);
                mine.style.width = (100 * layer.consistency) + "%";
                chance.style.left = (100 * layer.random) + "%";
                bar.append(mine, chance);
            }
            cell.append(bar);
            row.append(element("td", String(layer.depth), {class: "number"}), name,
                       element("td", number(every) + " / " + number(layer.kernel.length) + " / " + number(layer.channels), {class: "number"}),
                       element("td", three(layer.consistency), {class: "number"}),
                       element("td", three(layer.random), {class: "number"}), cell);
            document.querySelector("#layers tbody").append(row);
            return row;
        });
    }

    function edgesOf(layer, k) {
        const list = layer.edges[k];
        return list.map((edge) => edge[0] + " (" + edge[1] + ")").join(", ");
    }

    function show(l) {
        const layer = data.layers[l], body = document.querySelector("#kernels tbody");
        shown = l;
        rows.forEach((row, k) => row.classList.toggle("shown", k === l));
        find("kernels-head").textContent = "Kernels of " + layer.name;
        find("kernels-sum").textContent = number(layer.kernel.length) + " of " + number(layer.channels)
            + (layer.kernel.length === 1 ? " is" : " are") + " selected in at least one clip; the layer has "
            + counted(layer.n_edges, "edge")
            + (layer.kernel.length > LISTED ? "; the first " + LISTED + " are listed" : "");
        body.replaceChildren();
        orders[l].slice(0, LISTED).forEach(function (k) {
            const row = element("tr", null), where = element("td", null), list = element("ul", null);
            layer.top[k].forEach(function (top) {
                const item = element("li", null);
                item.append(clipOf(top[0], false), element("span", " " + three(top[1]), {class: "faint"}));
                list.append(item);
            });
            where.append(list);
            row.append(element("td", String(layer.kernel[k]), {class: "number"}), element("td", number(layer.count[k]), {class: "number"}),
                       element("td", three(layer.relevance[k]), {class: "number"}), where, element("td", edgesOf(layer, k)));
            body.append(row);
        });
        draw();
    }

    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    const parts = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    function ramp() {
        const few = parts(colour("few")), many = parts(colour("many"));
        return (part) => "rgb(" + few.map((v, c) => Math.round(v + (many[c] - v) * part)).join(",") + ")";
    }

    const height = () => size.height / Math.max(1, data.layers.length);

    function draw() {
        const canvas = find("map"), ratio = window.devicePixelRatio || 1, context = canvas.getContext("2d"), at = ramp();
        canvas.width = Math.round(size.width * ratio);
        canvas.height = Math.round(size.height * ratio);
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
        context.textBaseline = "middle";
        data.layers.forEach(function (layer, l) {
            const y = l * height(), tall = Math.max(1, height() - GAP), wide = (size.width - LEFT) / layer.channels;
            context.fillStyle = at(0);
            context.fillRect(LEFT, y, size.width - LEFT, tall);
            orders[l].forEach(function (k, place) {
                context.fillStyle = at(layer.count[k] / n);
                context.fillRect(LEFT + place * wide, y, Math.max(wide - (wide > 4 ? 1 : 0), 0.5), tall);
            });
            context.fillStyle = colour(l === shown ? "ink" : "faint");
            if (height() >= 10 && (l === 0 || data.layers[l - 1].depth !== layer.depth))
                context.fillText(String(layer.depth), 24, y + tall / 2);
            if (l === shown) {
                context.strokeStyle = colour("chance");
                context.lineWidth = 2;
                context.strokeRect(LEFT - 3, y, size.width - LEFT + 2, tall);
            }
        });
        context.save();
        context.translate(9, size.height / 2);
        context.rotate(-Math.PI / 2);
        context.textAlign = "center";
        context.fillStyle = colour("faint");
        context.fillText("depth", 0, 0);
        context.restore();
        const scale = find("ramp").getContext("2d");
        for (let i = 0; i < 64; i++) {
            scale.fillStyle = at(i / 63);
            scale.fillRect(i, 0, 1, 1);
        }
    }

    function hover(event) {
        const box = find("map").getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
        const l = Math.min(data.layers.length - 1, Math.max(0, Math.floor(y / height()))), layer = data.layers[l];
        const place = Math.floor((x - LEFT) / ((size.width - LEFT) / layer.channels)), k = orders[l][place];
        const tip = find("tip"), right = x > size.width / 2;
        tip.hidden = x < LEFT;
        tip.textContent = layer.name + (k === undefined ? ": a kernel that no clip selects"
            : ", kernel " + layer.kernel[k] + ": " + layer.count[k] + " of " + counted(n, "clip") + ", mean R " + three(layer.relevance[k]));
        tip.style.left = right ? "auto" : (x + 14) + "px";
        tip.style.right = right ? (size.width - x + 14) + "px" : "auto";
        tip.style.top = Math.max(0, y - 12) + "px";
        return l;
    }

    const rows = fillLayers();
    document.title = data.name + " \u2013 class over " + counted(n, "clip");
    find("title").textContent = data.name;
    find("about").textContent = "Class " + data.index + ": the kernels of " + data.model + " that it rests on in "
        + counted(n, "clip") + ". Rule " + data.options.rule + ", theta " + data.options.theta + ".";
    find("sampled").textContent = n < 2 ? "At least two clips are needed." : data.consistency_clips < n
        ? "Here the pairs are those of " + data.consistency_clips + " clips that were drawn at random." : "";
    find("ramp-all").textContent = "all " + number(n);
    find("clips-sum").textContent = counted(n, "clip") + " of this class";
    find("map").setAttribute("aria-label", "Layers by kernels, coloured by the number of clips; the table has the same numbers.");
    data.clips.forEach(function (clip, i) {
        const row = element("tr", null), name = element("td", null);
        name.append(clipOf(i, true));
        row.append(element("td", String(i), {class: "number"}), name, element("td", clip.probability.toFixed(4), {class: "number"}));
        document.querySelector("#clips tbody").append(row);
    });
    find("map").addEventListener("mousemove", hover);
    find("map").addEventListener("mouseleave", () => { find("tip").hidden = true; });
    find("map").addEventListener("click", (event) => show(hover(event)));
    find("map").addEventListener("keydown", function (event) {
        const step = {ArrowUp: -1, ArrowDown: 1}[event.key];
        if (step === undefined)
            return;
        event.preventDefault();
        show(Math.min(data.layers.length - 1, Math.max(0, shown + step)));
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    new ResizeObserver(function () {
        const box = find("map").getBoundingClientRect();
        size = {width: box.width, height: box.height};
        draw();
    }).observe(find("map"));
    if (data.layers.length > 0)
        show(Math.min(1, data.layers.length - 1));
    document.documentElement.dataset.ready = "yes";

    return {data, show};
}());
