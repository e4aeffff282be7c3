#!/usr/bin/env python3
"""Writes src/text/jinja/unicode_tables.inc: character classes and case mappings as Python's str methods see them.

Run: python3 tools/golden/make_jinja_unicode.py > src/text/jinja/unicode_tables.inc
Classes are sorted range starts where membership flips, so a code point is in the class when an odd number of starts
is at or below it. Case mappings are (first, last, step, delta) runs; mappings to several code points are listed apart.
"""

import sys
import unicodedata

LIMIT = 0x110000
SURROGATES = range(0xD800, 0xE000)


def case_ignorable(c):
    # Word_Break in {MidLetter, MidNumLet, Single_Quote} or a category of Unicode's definition D136.
    return unicodedata.category(c) in ("Mn", "Me", "Cf", "Lm", "Sk") or c in "':\u00b7\u0387\u055f\u05f4\u2027\ufe13\ufe55\uff1a.\u2018\u2019\u2024\ufe52\uff07\uff0e"


CLASSES = {
    "Alpha": str.isalpha,
    "Decimal": str.isdecimal,
    "Digit": str.isdigit,
    "Numeric": str.isnumeric,
    "Space": str.isspace,
    "Printable": str.isprintable,
    "Lower": str.islower,
    "Upper": str.isupper,
    "Title": lambda c: unicodedata.category(c) == "Lt",
    "Cased": lambda c: c.islower() or c.isupper() or unicodedata.category(c) == "Lt",
    "CaseIgnorable": case_ignorable,
    "IdentifierStart": str.isidentifier,
    "IdentifierContinue": lambda c: ("a" + c).isidentifier(),
}


def rows(numbers, width=108):
    line, out = "", []
    for n in numbers:
        piece = f"{n},"
        if len(line) + len(piece) > width:
            out.append(line)
            line = ""
        line += piece
    if line:
        out.append(line)
    return "\n".join(out)


def title_of(c):
    return c.title()


def lower_of(c):
    return c.lower()


def main():
    print(f"// Made by tools/golden/make_jinja_unicode.py, Unicode {unicodedata.unidata_version}. Do not edit.")
    print("// clang-format off")
    for name, test in CLASSES.items():
        flips, inside = [], False
        for cp in range(LIMIT):
            now = cp not in SURROGATES and test(chr(cp))
            if now != inside:
                flips.append(cp)
                inside = now
        print(f"constexpr uint32_t k{name}Flips[] = {{\n{rows(flips)}\n}};")
    for name, f in (("Upper", str.upper), ("Lower", lower_of), ("Title", title_of), ("Fold", str.casefold)):
        runs, special = [], []
        for cp in range(LIMIT):
            if cp in SURROGATES:
                continue
            to = f(chr(cp))
            if to == chr(cp):
                continue
            if len(to) > 1:
                special.append([cp] + [ord(x) for x in to] + [0] * (3 - len(to)))
                continue
            delta = ord(to) - cp
            if runs and runs[-1][3] == delta:
                first, last, step, _ = runs[-1]
                if first == last and cp - last <= 2:
                    runs[-1] = [first, cp, cp - last, delta]
                    continue
                if first != last and cp - last == step:
                    runs[-1][1] = cp
                    continue
            runs.append([cp, cp, 1, delta])
        print(f"constexpr CaseRun k{name}Runs[] = {{\n{rows('{%d,%d,%d,%d}' % tuple(r) for r in runs)}\n}};")
        if special:
            print(f"constexpr CaseSpecial k{name}Special[] = {{\n{rows('{%d,{%d,%d,%d}}' % tuple(r) for r in special)}\n}};")
    print("// clang-format on")


if __name__ == "__main__":
    sys.exit(main())
