"""Read a user's list of class names, in any of the usual forms, by the numbers in it.

The whole file decides which form it has, never one line, because a name may begin or end with a number ("2 wash", "100 m"):

    JSON                       has numbers and names by its structure
    a table                    every line has the same tab, ; , or | in it, and one column holds the classes' numbers
    number and name            every line begins (or every line ends) with a number, and together they number the classes
    names                      everything else: a name a line, in the order of the outputs

Numbers run from 0 or from 1, in any order. If the lines look numbered but a number is missing or appears twice, the file is
refused by the number of the line. It is then not read in another form.
"""
from __future__ import annotations

import csv
import io
import json
import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

DELIMITERS = "\t;,|"
ID_WORDS = {"id", "ids", "idx", "ix", "index", "no", "nr", "num", "number", "classid", "labelid", "value"}
ID_ENDINGS = ("_id", "_idx", "_index", "_no", "_nr", "_number", " id", " index", " number")
# of two columns that could be the name, the one whose word stands first here
NAME_WORDS = ("name", "names", "key", "class_key", "class_name", "classname", "display_name", "label_name", "label", "labels",
              "class", "classes", "action", "activity", "verb", "noun", "category", "text", "title", "description", "string")
# keys below which files of other programs keep the list
WRAPPERS = ("categories", "classes", "class_names", "id2label", "labels", "names", "label_map", "idx_to_class", "class_to_idx",
            "label2id")
SHAPE = 'JSON, but neither a list of names, nor {"name": number}, {"number": name}, nor a list of {"id": number, "name": name}'
_BETWEEN = r"(?:\s*(?:->|=>|\u2192|[:=])\s*|\s+-\s+|{space})"
_LEADING = re.compile(r"([0-9]{1,9})" + _BETWEEN.format(space=r"[.)]?\s+") + r"(\S.*)")
_TRAILING = re.compile(r"(.*?\S)" + _BETWEEN.format(space=r"\s+") + r"([0-9]{1,9})")
# Numbers that are told from a part of the name only because all of them together number the classes: "[0] take", "0_take",
# "c000 Holding some clothes" (Charades), "A1. drink water" (NTU), "Clabel: 0; set: 1; ...; take" (FineGym), "take (0)".
_CODED = tuple((re.compile(pattern), number, name) for pattern, number, name in (
    (r"[\[(<]([0-9]{1,9})[\])>]\s*[:.-]?\s*(\S.*)", 1, 2),
    (r"([0-9]{1,9})_(\S.*)", 1, 2),
    (r"[A-Za-z]{1,2}([0-9]{1,9})(?:\s*[:.,)-]\s*|\s+)(\S.*)", 1, 2),
    (r"\w+\s*:\s*([0-9]{1,9});(?:[^;]*;)*\s*([^;]*\S)", 1, 2),
    (r"(.*\S)\s*[\[(<]([0-9]{1,9})[\])>]", 2, 1)))
_BLOCK = re.compile(r"\b(?:item|label)\s*\{([^{}]*)\}")   # of a label map (.pbtxt)


class Entry(NamedTuple):
    """A class as the file has it."""
    line: int       # 0 where a file has no lines (JSON)
    number: Optional[int]
    name: str


class WrongLine(ValueError):
    """What does not fit, and in which line."""

    def __init__(self, line: int, text: str):
        super().__init__(text)
        self.line = line


def parse(text: str) -> List[str]:
    """The names in the order of their numbers. Raises ValueError, WrongLine or csv.Error with what is wrong."""
    if text.lstrip()[:1] in ("{", "[") and not re.match(r"\[[0-9]+\][^\n\S]*[^\s,\]]", text.lstrip()):
        return _from_json(text)
    rows = [(line, stripped) for line, stripped in enumerate((line.strip() for line in re.split("\r\n|\n|\r", text)), 1)
            if stripped and not stripped.startswith("#")]
    if _BLOCK.match(text.lstrip()):
        return by_number([_block(match) for match in _BLOCK.finditer(text)])
    for reading in (_table, _numbered_lines, _coded_lines):
        entries = reading(text, rows)
        if entries is not None:
            return by_number(entries)
    if len(rows) > 1 and all(re.match(r"-\s+\S", line) for _, line in rows[1:]) and re.fullmatch(r"\w+\s*:|-\s+\S.*", rows[0][1]):
        rows = [(number, line[1:].strip()) for number, line in rows if line[0] == "-"]   # a list of YAML
    return [_unquoted(line) for _, line in rows]


def _block(match: "re.Match[str]") -> Entry:
    line = match.string.count("\n", 0, match.start()) + 1
    number = re.search(r"\b(?:id|label_id)\s*:\s*([0-9]{1,9})\b", match[1])
    name = re.search(r"\bdisplay_name\s*:\s*([\"'])(.*?)\1", match[1]) or re.search(r"\bname\s*:\s*([\"'])(.*?)\1", match[1])
    if number is None or name is None:
        raise WrongLine(line, "a number (id) and a name are wanted in each block")
    return Entry(line, int(number[1]), name[2].strip())


def by_number(entries: Sequence[Entry]) -> List[str]:
    """Names in the order of their numbers; without numbers as they stand."""
    if not entries or entries[0].number is None:
        return [entry.name for entry in entries]
    found: Dict[int, Entry] = {}
    for entry in entries:
        if not entry.name:
            raise WrongLine(entry.line, f"an empty name, of class {entry.number}")
        if entry.number in found:
            raise WrongLine(entry.line, f"class {entry.number} has two names, {found[entry.number].name!r} and {entry.name!r}")
        found[entry.number] = entry
    first = 0 if 0 in found else 1
    missing = next((i for i in range(first, first + len(found)) if i not in found), None)
    if missing is not None:
        number = min(number for number in found if number > missing or number < 0)
        raise WrongLine(found[number].line, f"class {number} is here, but there is no name for class {missing}; "
                        f"{len(found)} classes are numbered 0 to {len(found) - 1} or 1 to {len(found)}")
    return [found[i].name for i in range(first, first + len(found))]


def _whole(cell: str) -> Optional[int]:
    return int(cell.split(".")[0]) if _is_number(cell) else None


def _unquoted(text: str) -> str:
    return text[1:-1].replace('""', '"').strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


# --- tables

class Row(NamedTuple):
    line: int
    cells: List[str]


def _table(text: str, rows: Sequence[Tuple[int, str]]) -> Optional[List[Entry]]:
    for delimiter in DELIMITERS:
        if sum(delimiter in line for _, line in rows) * 2 <= len(rows):
            continue
        cells = _cells(text, delimiter)
        entries = _columns(cells, delimiter) if cells else None
        if entries is not None:
            return entries
    return None


def _cells(text: str, delimiter: str) -> List[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    found, line = [], 1
    for cells in reader:
        cells = [cell.strip() for cell in cells]
        if any(cells) and not cells[0].startswith("#"):
            found.append(Row(line, cells))
        line = reader.line_num + 1
    return found


def _columns(rows: List[Row], delimiter: str) -> Optional[List[Entry]]:
    """None if no column holds numbers and no header mentions names: then these are names with commas."""
    heading = [cell.lower() for cell in rows[0].cells]
    says = any(_is_id_word(cell) or cell in NAME_WORDS for cell in heading) and not any(map(_is_number, heading))
    body = rows[1:] if says else rows
    if says and not (len(heading) == 2 and any(len(row.cells) != 2 for row in body)):
        return _under_heading(rows[0], body)
    if len({len(row.cells) for row in body}) > 1 or len(body[0].cells) == 2:
        return _split_once(body, delimiter)
    if not says and len(rows) > 2 and not _number_columns(rows) and not re.search("[0-9]", "".join(heading)):
        body = rows[1:] if _number_columns(rows[1:]) else rows  # a heading in words that are not known here
    columns = _number_columns(body)
    return _chosen(body, columns, None) if columns else None


def _is_id_word(cell: str) -> bool:
    return cell in ID_WORDS or cell.endswith(ID_ENDINGS)


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}(\.0+)?", cell) is not None


def _number_columns(rows: Sequence[Row]) -> List[int]:
    width = min(len(row.cells) for row in rows)
    return [column for column in range(width) if all(_is_number(row.cells[column]) for row in rows)]


def _under_heading(heading: Row, body: Sequence[Row]) -> Optional[List[Entry]]:
    words = [cell.lower() for cell in heading.cells]
    name = next((words.index(word) for word in NAME_WORDS if word in words and not _all_numbers(body, words.index(word))), None)
    for row in body:
        if len(row.cells) != len(words):
            raise WrongLine(row.line, f"{len(row.cells)} columns, where the heading has {len(words)}; a name with a comma wants "
                            "quotes")
    marked = [column for column, word in enumerate(words) if _is_id_word(word) and column != name]
    columns = [column for column in marked if _all_numbers(body, column)]
    if marked and not columns:
        row = next(row for row in body if not _is_number(row.cells[marked[0]])) if body else heading
        if body:
            raise WrongLine(row.line, f"{row.cells[marked[0]]!r} is no class number (column {heading.cells[marked[0]]})")
    if not columns and body:
        columns = [column for column in _number_columns(body) if column != name]
    if not columns:
        return None if name is None else [Entry(row.line, None, row.cells[name]) for row in body]
    return _chosen(body, columns, name)


def _all_numbers(rows: Sequence[Row], column: int) -> bool:
    return bool(rows) and all(len(row.cells) > column and _is_number(row.cells[column]) for row in rows)


def _chosen(rows: Sequence[Row], columns: Sequence[int], name: Optional[int]) -> List[Entry]:
    """The entries by the one column that numbers the classes."""
    numbering = [column for column in columns if _numbers_all([_whole(row.cells[column]) for row in rows])]
    chosen = numbering or columns
    readings = [_entries(rows, column, _name_column(rows, column, name)) for column in chosen]
    orders = {tuple(entry.name for entry in sorted(reading, key=lambda entry: entry.number)) for reading in readings}
    if len(orders) > 1:
        places = " and ".join(str(column + 1) for column in chosen)
        raise ValueError(f"columns {places} are all numbers: which is the class's? a heading (id,name) says it")
    return readings[0]


def _entries(rows: Sequence[Row], number: int, name: int) -> List[Entry]:
    return [Entry(row.line, _whole(row.cells[number]), row.cells[name]) for row in rows]


def _name_column(rows: Sequence[Row], number: int, known: Optional[int]) -> int:
    """The first column of words that tells the classes apart, or else the first other one."""
    if known is not None and known != number:
        return known
    others = [column for column in range(min(len(row.cells) for row in rows)) if column != number]
    words = [column for column in others if not _all_numbers(rows, column)] or others
    if not words:
        raise WrongLine(rows[0].line, "a number without a name")
    return next((column for column in words if len({row.cells[column] for row in rows}) == len(rows)), words[0])


def _split_once(rows: Sequence[Row], delimiter: str) -> Optional[List[Entry]]:
    """Two columns, or names that hold the delimiter themselves without quotes."""
    joined = f"{delimiter} " if delimiter != "\t" else delimiter
    readings = []
    for number, rest in ((0, slice(1, None)), (-1, slice(None, -1))):
        entries = [Entry(row.line, _whole(row.cells[number]) if len(row.cells) > 1 else None,
                         joined.join(row.cells[rest] or row.cells)) for row in rows]
        words = not re.search("[0-9]", rows[0].cells[number])
        if len(entries) > 1 and words and _numbers_all([entry.number for entry in entries[1:]]):
            entries = entries[1:]   # a heading in words that are not known here
        if _are_numbered(entries, sure=True):
            readings.append(entries)
    return _only(readings, "both columns are numbers: which is the class's? a heading (id,name) says it")


def _only(readings: Sequence[List[Entry]], doubt: str) -> Optional[List[Entry]]:
    """The reading in which the numbers number the classes; if there is none, raises an error that says by line why not."""
    numbering = [reading for reading in readings if _numbers_all([entry.number for entry in reading])]
    if len({tuple(by_number(reading)) for reading in numbering}) > 1:
        raise ValueError(doubt)
    return _complete((numbering or readings)[0]) if readings else None


# --- a number and a name in each line

def _numbered_lines(text: str, rows: Sequence[Tuple[int, str]]) -> Optional[List[Entry]]:
    if len(rows) > 1 and re.fullmatch(r"(\S+)\s+(\S+)", rows[0][1]):
        words = rows[0][1].lower().split()
        if any(map(_is_id_word, words)) and any(word in NAME_WORDS for word in words):
            rows = rows[1:]
    elif len(rows) > 1 and re.fullmatch(r"\w+\s*:", rows[0][1]):
        rows = rows[1:]   # names: (YAML)
    readings = [reading for reading in (_by_pattern(rows, _LEADING, 1, 2), _by_pattern(rows, _TRAILING, 2, 1))
                if _are_numbered(reading, sure=False)]
    entries = _only(readings, "every line begins and ends with a number: which is the class's? a table says it: number,name")
    if entries and len({entry.name for entry in entries}) < len(entries):
        raise WrongLine(_twice(entries), "without its number the name stands twice: if the number belongs to the name, put the "
                        "class's own number and a comma in front of every line")
    return entries


def _coded_lines(text: str, rows: Sequence[Tuple[int, str]]) -> Optional[List[Entry]]:
    """True if every line has a number in another form, with the same letters around it, and no name appears twice."""
    for pattern, number, name in _CODED:
        entries = _by_pattern(rows, pattern, number, name)
        alike = {line[:match.start(number)] for _, line in rows for match in [pattern.fullmatch(line)] if match}
        if (len(entries) > 1 and _numbers_all([entry.number for entry in entries]) and (number > name or len(alike) == 1)
                and len({entry.name for entry in entries}) == len(entries)):
            return entries
    return None


def _twice(entries: Sequence[Entry]) -> int:
    seen = set()
    for entry in entries:
        if entry.name in seen:
            return entry.line
        seen.add(entry.name)
    return entries[-1].line


def _by_pattern(rows: Iterable[Tuple[int, str]], pattern: "re.Pattern[str]", number: int, name: int) -> List[Entry]:
    found = [(line, text, pattern.fullmatch(text)) for line, text in rows]
    return [Entry(line, _whole(match[number]), _unquoted(match[name])) if match else Entry(line, None, text)
            for line, text, match in found]


def _numbers_all(numbers: Sequence[Optional[int]]) -> bool:
    """True if these are the numbers of all classes, from 0 or from 1, each once."""
    if None in numbers or not numbers:
        return False
    return sorted(numbers) in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))


def _are_numbered(entries: Sequence[Entry], sure: bool) -> bool:
    """Are these the numbers of classes, if with a fault? More than half of the lines have one, and they are about as high as
    there are classes. sure: a column of numbers is one, however high they are."""
    numbers = [entry.number for entry in entries if entry.number is not None]
    if len(numbers) * 2 <= len(entries):
        return False
    if sure and len(numbers) == len(entries):
        return True
    names = {entry.name for entry in entries if entry.number is not None}
    each_once = len(set(numbers)) == len(names) == len(numbers)
    return max(numbers) <= 2 * len(entries) + 8 and (len(numbers) == len(entries) or each_once)


def _complete(entries: Sequence[Entry]) -> List[Entry]:
    for entry in entries:
        if entry.number is None:
            raise WrongLine(entry.line, f"{entry.name!r} has no class number, other lines have one")
    return list(entries)


# --- JSON

def _pairs(pairs: List[Tuple[str, object]]) -> dict:
    found: dict = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} stands twice, for {found[key]!r} and {value!r}")
        found[key] = value
    return found


def _from_json(text: str) -> List[str]:
    try:
        value = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as problem:
        raise WrongLine(problem.lineno, f"no JSON: {problem.msg}") from None
    return by_number(_entries_of(_unwrapped(value)))


def _unwrapped(value):
    """{"categories": [...]} and the like, as COCO and others have it."""
    if isinstance(value, dict):
        for key in WRAPPERS:
            if isinstance(value.get(key), (list, dict)):
                return value[key]
    return value


def _entries_of(value) -> List[Entry]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return [Entry(0, None, name.strip()) for name in value]
    if isinstance(value, list) and value:
        return [_object(one) for one in value]
    if not isinstance(value, dict) or not value:
        raise ValueError(SHAPE)
    if all(isinstance(one, dict) for one in value.values()):
        return [_object({"id" if _json_number(key) is not None else "name": key, **one}) for key, one in value.items()]
    keys, values = (all(_json_number(one) is not None for one in some) for some in (value, value.values()))
    if keys and values:
        raise ValueError('both sides of {"...": ...} are numbers: which are the names? a list of names says it')
    if values:
        return [Entry(0, _json_number(number), name.strip('" ')) for name, number in value.items()]
    if any(not isinstance(name, str) for name in value.values()):
        raise ValueError(SHAPE)
    for key in value:
        if _json_number(key) is None:
            raise ValueError(f"{SHAPE}: {key!r} is no class number" if keys or any(map(_is_number, value)) else SHAPE)
    return [Entry(0, _json_number(number), name.strip('" ')) for number, name in value.items()]


def _json_number(value) -> Optional[int]:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value):
        return int(value)
    return value if isinstance(value, int) else None


def _object(one) -> Entry:
    """{"id": 0, "name": "take"}, [0, "take"] or ["take", 0]."""
    if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) != isinstance(one[1], str):
        one = dict(zip(("name", "id") if isinstance(one[0], str) else ("id", "name"), one))
    if not isinstance(one, dict):
        raise ValueError(SHAPE)
    words = {str(key).lower(): value for key, value in one.items()}
    names = [words[word] for word in NAME_WORDS if isinstance(words.get(word), str)]
    marked = [words["id"]] if "id" in words else [value for word, value in words.items() if _is_id_word(word)]
    numbers = [_json_number(value) for value in marked if _json_number(value) is not None]
    if not names or len(set(numbers)) != 1:
        raise ValueError(f"{json.dumps(one)[:80]}: a number (id) and a name are wanted in each")
    return Entry(0, numbers[0], names[0].strip())
