/* index.js - the page that lists many explanations. */
const index = (function () {
    "use strict";
    const data = JSON.parse(document.getElementById("data").textContent);
    const columns = [
        {key: "picture", title: "frame", picture: (row) => "middle frame of " + row.clip
            + (row.tube === null ? "" : " with the tube of " + row.tube)},
        {key: "class", title: "class", link: "href"}, {key: "probability", title: "probability", number: 4},
        {key: "clip", title: "clip"}, {key: "model", title: "model"}, {key: "rule", title: "rule"},
        {key: "theta", title: "theta", number: 3}, {key: "layers", title: "layers", number: 0},
        {key: "kernels", title: "kernels", number: 0},
    ];
    sortedTable(data.rows, columns, (row) => [row["class"], row.clip, row.model, row.rule, row.folder], ["explanation", "explanations"]);
    return {data};
}());
