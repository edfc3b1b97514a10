/* classes.js - the table of the classes that aggregate added up, with links to their pages. */
const classes = (function () {
    "use strict";
    const data = JSON.parse(document.getElementById("data").textContent), run = data.options;
    const columns = [
        {key: "index", title: "number", number: 0}, {key: "name", title: "class", link: "href"},
        {key: "clips", title: "clips", number: 0}, {key: "kernels", title: "kernels in any clip", number: 0},
        {key: "consistency", title: "consistency", number: 3}, {key: "random", title: "chance", number: 3},
    ];
    document.getElementById("what").textContent = "The kernels of " + data.model + " that each class rests on, in "
        + elements.counted(data.clips, "clip") + ". Rule " + run.rule + ", theta " + run.theta + ".";
    sortedTable(data.rows, columns, (row) => [row.name, String(row.index)], ["class", "classes"]);
    document.documentElement.dataset.ready = "yes";
    return {data};
}());
