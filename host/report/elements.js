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

    return {element, number, counted, percent};
}());

