/* index.js - the table of explanations: sorted by a click on a column's head, filtered by words.  Names come from
 * files: they enter the page as text, never as markup. */
const index = (function () {
    "use strict";
    const data = JSON.parse(document.getElementById("data").textContent);
    const head = document.querySelector("#rows thead"), body = document.querySelector("#rows tbody");
    const columns = [
        {key: "picture", title: "frame"}, {key: "class", title: "class"}, {key: "probability", title: "probability", number: 4},
        {key: "clip", title: "clip"}, {key: "model", title: "model"}, {key: "rule", title: "rule"},
        {key: "theta", title: "theta", number: 3}, {key: "layers", title: "layers", number: 0},
        {key: "kernels", title: "kernels", number: 0},
    ];
    let sorted = "", down = false;

    function element(tag, text) {
        const made = document.createElement(tag);
        if (text !== null)
            made.textContent = text;
        return made;
    }

    function cellOf(row, column) {
        const cell = element("td", null), value = row[column.key];
        if (column.key === "picture") {
            const picture = new Image();
            picture.alt = "middle frame of " + row.clip + (row.tube === null ? "" : " with the tube of " + row.tube);
            picture.src = "data:image/jpeg;base64," + value;
            cell.append(picture);
        } else if (column.key === "class") {
            const link = element("a", value);
            link.href = row.href;
            cell.append(link);
        } else {
            cell.textContent = column.number !== undefined ? value.toFixed(column.number) : value;
        }
        cell.className = column.number !== undefined ? "number" : "";
        return cell;
    }

    const rows = data.rows.map(function (row) {
        const line = element("tr", null);
        columns.forEach((column) => line.append(cellOf(row, column)));
        return {row, line, words: [row["class"], row.clip, row.model, row.rule, row.folder].join("\n").toLowerCase()};
    });

    function show() {
        const words = document.getElementById("filter").value.toLowerCase();
        const list = rows.filter((r) => r.words.includes(words));
        if (sorted !== "")
            list.sort(function (a, b) {
                const x = a.row[sorted], y = b.row[sorted];
                return (typeof x === "number" ? x - y : x.localeCompare(y)) * (down ? -1 : 1);
            });
        body.replaceChildren(...list.map((r) => r.line));
        head.querySelectorAll("th").forEach(function (th, i) {
            th.setAttribute("aria-sort", columns[i].key !== sorted ? "none" : down ? "descending" : "ascending");
        });
        document.getElementById("about").textContent = list.length + " of " + rows.length
            + " explanations; a click on a column\u2019s head sorts by it.";
    }

    const line = element("tr", null);
    columns.forEach(function (column) {
        const th = element("th", null), button = element("button", column.title);
        button.type = "button";
        if (column.key === "picture")
            th.textContent = column.title;
        else
            th.append(button);
        th.className = column.number !== undefined ? "number" : "";
        button.addEventListener("click", function () {
            down = sorted === column.key ? !down : column.number !== undefined; /* numbers: the highest first */
            sorted = column.key;
            show();
        });
        line.append(th);
    });
    head.append(line);
    document.getElementById("filter").addEventListener("input", show);
    show();
    return {data};
}());
