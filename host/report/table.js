/* table.js - a table that is sorted by a click on a column's heading and filtered by words. */
function sortedTable(rows, columns, wordsOf, called) {
    "use strict";
    const head = document.querySelector("#rows thead"), body = document.querySelector("#rows tbody");
    let sorted = "", down = false;

    const {element} = elements;

    function cellOf(row, column) {
        const cell = element("td", null), value = row[column.key];
        if (column.picture !== undefined) {
            const picture = new Image();
            picture.alt = column.picture(row);
            picture.src = "data:image/jpeg;base64," + value;
            cell.append(picture);
        } else if (column.link !== undefined) {
            const link = element("a", value);
            link.href = row[column.link];
            cell.append(link);
        } else {
            cell.textContent = value === null ? "" : column.number !== undefined ? value.toFixed(column.number) : value;
        }
        cell.dataset.title = column.title; /* narrow screens show it beside the value */
        cell.className = column.number !== undefined ? "number" : "";
        return cell;
    }

    const lines = rows.map(function (row) {
        const line = element("tr", null);
        columns.forEach((column) => line.append(cellOf(row, column)));
        return {row, line, words: wordsOf(row).join("\n").toLowerCase()};
    });

    function compare(a, b) {
        const x = a.row[sorted], y = b.row[sorted];
        if (x === null || y === null) /* rows without a value come last */
            return (x === null ? 1 : 0) - (y === null ? 1 : 0);
        return (typeof x === "number" ? x - y : x.localeCompare(y)) * (down ? -1 : 1);
    }

    function show() {
        const words = document.getElementById("filter").value.toLowerCase();
        const list = lines.filter((r) => r.words.includes(words));
        if (sorted !== "")
            list.sort(compare);
        body.replaceChildren(...list.map((r) => r.line));
        head.querySelectorAll("th").forEach(function (th, i) {
            th.setAttribute("aria-sort", columns[i].key !== sorted ? "none" : down ? "descending" : "ascending");
        });
        document.getElementById("about").textContent = list.length + " of " + rows.length + " "
            + called[rows.length === 1 ? 0 : 1] + ". Click a column heading to sort by it.";
    }

    const line = element("tr", null);
    columns.forEach(function (column) {
        const th = element("th", null), button = element("button", column.title);
        button.type = "button";
        if (column.picture !== undefined)
            th.textContent = column.title;
        else
            th.append(button);
        th.className = column.number !== undefined ? "number" : "";
        button.addEventListener("click", function () {
            down = sorted === column.key ? !down : column.number !== undefined; /* numbers: the largest first */
            sorted = column.key;
            show();
        });
        line.append(th);
    });
    head.append(line);
    document.getElementById("filter").addEventListener("input", show);
    show();
}
