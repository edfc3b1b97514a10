/* elements.js - makes the elements and the words of all pages.  Names come from files, so they enter a page as text,
 * never as markup. */
const elements = (function () {
    "use strict";

    function element(tag, text, attributes) {
        const made = document.createElement(tag);
        if (text !== null)
            made.textContent = text;
        Object.keys(attributes || {}).forEach((name) => made.setAttribute(name, attributes[name]));
        return made;
    }
    const number = (n) => n.toLocaleString("en");
    const counted = (n, word) => number(n) + " " + word + (n === 1 ? "" : "s");
    const percent = (probability) => (100 * probability).toFixed(1) + " %";

    /* Lists the most probable classes; those of `explained` (their indices) stand out. */
    function fillTop(list, top, explained) {
        top.forEach(function (c) {
            const row = element("li", null, explained.includes(c.index) ? {class: "this"} : {});
            row.append(element("span", c.name), element("span", percent(c.probability), {class: "number"}));
            list.append(row);
        });
    }

    return {element, number, counted, percent, fillTop};
}());

