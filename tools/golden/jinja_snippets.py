"""Small templates that touch every operator, filter, test, method, statement and scoping rule, and the errors."""

CONTEXT = {
    "s": "Hello, World", "empty": "", "u": "Grüße ǆ ΑΣ ﬁ 日本🙂", "lines": "one\ntwo\r\n\n  three\n", "sp": "  a b  c ",
    "i": 7, "neg": -7, "z": 0, "big": 18446744073709551615, "f": 2.5, "f0": 0.1, "fe": 1e22, "fs": 1e-7, "t": True, "n": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "lm": [1, "a", None, 2.5, True, [1], {"k": 1}], "el": [], "ll": [[1, 2], [3, 4]],
    "d": {"a": 1, "b": "x", "c": [1, 2]}, "ed": {}, "nd": {"x": {"y": {"z": 5}}, "items": 9, "get": 8, "pop": 7, "_p": 6},
    "users": [{"name": "bob", "age": 30, "tags": ["x"]}, {"name": "Alice", "age": 25}, {"name": "carl", "age": 30, "on": True}],
    "html": "<b a='1'>&\"x\"</b>", "json": {"é": "日本", "q": "a\"b\\c\n\t/", "f": 1.0, "n": None, "t": True, "l": [], "o": {}},
}

EXPRESSIONS = r"""
1 + 2
1 - 2.5
7 / 2
6 / 2
7 // 2
neg // 2
neg % 3
7 % -3
7.5 // 2
-7.5 % 2
2 ** 10
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
- 5
+t
-t
t + t
t * 2.0
1 / 0
1 // 0
1 % 0
1.0 / 0
0 ** -1
1 + "a"
"a" + 1
"a" + "b"
"a" * 3
3 * "ab"
"a" * -1
"a" * 2.0
[1] * 2
(1, 2) * 2
[1] + [2]
[1] + (2,)
(1,) + (2,)
n + 1
d + d
l - l
"a" - "b"
1 ~ "a" ~ none ~ true ~ 2.0 ~ [1, "x"] ~ nope
1 == 1.0
1 == true
"a" == "a"
none == false
[1, 2] == [1, 2.0]
(1, 2) == [1, 2]
{"a": 1} == {"a": 1.0}
1 < 2 < 3
1 < 2 > 3
3 > 2 >= 2 != 1
"a" < "b"
"a" < "B"
"a" < 1
none < 1
[1, 2] < [1, 3]
[1] < [1, 0]
[1, "a"] < [1, 2]
{} < {}
1 in [1, 2]
"ell" in s
1 in "abc"
"a" in d
"zz" not in d
[1] in d
1 in 5
none in none
x in y
1 in nope
nope in [1]
not 1
not nope
not not ""
1 and 2
0 and x
0 or "y"
none or false
1 if true
1 if false
(1 if false) is defined
1 if false else 2
1 if t else 2 if t else 3
"a" if 0 else "b" if 0 else "c"
1 or 2 and 3
not 1 == 2
1 + 2 * 3 - 4 / 2
(1 + 2) * 3
1 is odd
"x" is string and 1
1 - 1 | abs
-1 | abs
(-1) | abs
-1.5 | abs
1 + 2 | string + "x"
1.5
1e3
1.0e-5
1e16
1e15
123456789012345680.0
0.1 + 0.2
1/3
1e100
fe
fs
f0
100000000000000000000
big
big + 1
2 ** 64
9007199254740993 == 9007199254740992.0
0x1F + 0b11 + 0o17 + 1_000
1_0.5e1_0
007
00
'a' 'b'
"a\n\t\\\x41\u00e9\U0001F642\'\"\101\q"
[]
[1, "a", none, true, 1.0, [2], {"k": "v"}, (1,), ()]
(1,)
()
(1, 2,)
[1, 2,]
{"a": 1, "b": [2], 3: "c", none: 1, true: 2, 1.5: 3, (1, 2): 4}
{1: "a", 1.0: "b", true: "c"}
{[1]: 2}
{"a": 1,}
"it's"
['it\'s', "q\"q", 'both\'"', "new\nline\t\\", "\x00\x1f\x7f", "é日🙂\u200b\u2028\xad"]
s[0]
s[-1]
s[100]
s[100] is defined
s[1:4]
s[::-1]
s[::2]
s[-3:]
s[:-3]
s[5:2]
s[10:0:-3]
u[0:5]
u[-1]
u[3]
u[::-1]
u|length
l[0]
l[-1]
l[3]
l[5] is undefined
l["a"]
l[1:]
l[::-1]
l[:2]
l[none:2]
l["a":]
l[::0]
l[1.0]
l[true]
(1,2,3)[1:]
range(10)[2:5]|list
range(10)[::-2]|list
range(5)[1]
range(5)
range(1, 10, 3)
range(5, 0, -2)|list
range(0)|list
range(1, 2, 0)
range("a")
range(100000)|length
range(100001)
range(10**9)
range(2.0)
range()
3 in range(5)
3.0 in range(5)
"a" in range(5)
range(3) == range(0, 3)
d.a
d["a"]
d.missing
d.missing is defined
d.missing.deeper
d["missing"]["deeper"]
nd.x.y.z
nd["x"]["y"].z
nd.items
nd["items"]
nd.get("items")
nd.pop
nd.pop is defined
nd["pop"]
nd._p
nd["_p"]
nd.nothing.more
d.items()
d.items()|list
d.keys()
d.values()|list
d.keys()|list
d.get("a")
d.get("zz")
d.get("zz", 5)
d.get(key="a")
d.get()
d.get([1])
d.pop("a")
d.update({"z": 1})
d.setdefault("a", 1)
d.clear()
d.popitem()
d.copy()
d[0]
d[[1]]
d[[1]] is defined
d[nope]
d|length
d[:1]
l.append(4)
l.append
l.append is defined
l.pop()
l.sort()
l.index(1)
l.index(9)
l.count(1)
l.copy()
l.nope
l.nope()
l.0
ll.1.0
ll[1][0]
ll[0, 1]
d.a.b
n.a
n.a.b
n["a"]
i.real
f.is_integer()
i.bit_length()
i.foo
nope
nope.a
nope["a"]
nope[0:1]
nope()
nope + 1
1 + nope
nope ~ "x"
nope == nope
nope == 1
nope != none
nope < 1
-nope
nope|length
nope|list
nope|string
nope|upper
nope|trim ~ "."
nope|int
nope|float
nope|abs
nope|first is defined
nope|last
nope|join(",")
nope|sort
nope|reverse|list
nope|tojson
nope|items|list
nope|dictsort
nope|sum
nope|unique|list
nope|replace("a","b")
nope|indent
nope|round
nope|default("x")
nope|d
nope is defined
nope is undefined
nope is none
nope is string
nope is sequence
nope is iterable
nope is mapping
nope is callable
nope is number
nope is lower
nope is odd
nope is in [1]
nope is sameas nope
[nope]
{"a": nope}
[nope]|tojson
(nope, 1)|join("-")
"%s" % nope
"abc" % nope
s.split
s.__class__
s.__class__ is defined
s.__class__.__mro__
s._x
d.__class__
l.__len__ is defined
s.upper()
s.lower()
s.title()
s.capitalize()
s.swapcase()
u.upper()
u.lower()
u.title()
u.capitalize()
u.swapcase()
u.casefold()
"ß".upper()
"İ".lower()
"ΟΔΥΣΣΕΥΣ ΑΣ. Σ".lower()
"they're bill's".title()
"they're bill's friend-s (x) [y] {z} <w>"|title
"ǆ x".title()
s.split()
s.split(",")
s.split("l", 1)
s.split("l", maxsplit=1)
s.split(sep="o")
s.split(None, 1)
s.split("")
s.split(1)
"a,b,,c".split(",")
"".split()
"".split(",")
sp.split()
sp.split(" ")
sp.split(none, 1)
sp.rsplit(none, 1)
sp.rsplit(none, 0)
"a.b.c".rsplit(".", 1)
"a.b.c".rsplit(".")
"a.b.c".partition(".")
"a.b.c".rpartition(".")
"abc".partition(".")
"abc".rpartition(".")
"abc".partition("")
lines.splitlines()
lines.splitlines(true)
lines.splitlines(keepends=true)
"a\vb\fc\x1cd\x85e\u2028f".splitlines()
sp.strip()
sp.lstrip() ~ "|"
sp.rstrip() ~ "|"
"xxaxx".strip("x")
"abcba".strip("ab")
"abcba".lstrip("ab")
"abcba".rstrip("ab")
"xx".strip(none)
"xx".strip(1)
"éaé".strip("é")
"\u00a0\u3000a\u2003".strip()
s.startswith("Hell")
s.startswith(("x", "H"))
s.startswith(["x", "H"])
s.startswith("lo", 3)
s.startswith("lo", 3, 4)
s.startswith(1)
s.startswith("")
s.endswith("d")
s.endswith(("x", "ld"))
s.endswith("o", 0, 5)
"abc".startswith("", 5)
"a" in s.lower()
s.replace("l", "L")
s.replace("l", "L", 1)
s.replace("", "-")
"".replace("", "-")
s.replace("o", "")
s.replace("o")
s.replace(1, 2)
s.replace("l", "L", count=1)
s.count("l")
s.count("l", 4)
s.count("")
s.find("o")
s.find("o", 5)
s.find("zz")
s.rfind("o")
u.find("日")
u.rfind("ß")
s.index("o")
s.index("zz")
s.rindex("l")
",".join(["a", "b"])
",".join(ls)
",".join([1, 2])
",".join("abc")
",".join([])
",".join(5)
"é".join("abc")
"%s and %s" % ("a", 1)
"%s" % "a"
"%s" % l
"%s" % (l,)
"%s %s" % l
"%d" % 3.7
"%d" % "a"
"%5d|%-5d|%05d|%+d|% d" % (1, 2, 3, 4, 5)
"%.2f|%8.3f|%e|%g|%G" % (1.005, 3.14159, 12345.678, 0.00001234, 1e20)
"%x|%X|%o|%#x|%#o" % (255, 255, 8, 255, 8)
"%c%c" % (65, "b")
"%r %a" % ("é'", "é")
"%(a)s %(b)s" % d
"%(zz)s" % d
"%s" % d
"%%" % ()
"abc" % ()
"abc" % 1
"abc" % l
"abc" % d
"%s"
"%s %s" % ("a",)
"%z" % 1
"%" % 1
"%*d" % (5, 1)
"%.*f" % (2, 1.239)
"%-10s|" % "ab"
"%.2s" % "abc"
"%5.1s|" % "abc"
"%i" % true
"%s" % none
"%s" % true
"%f" % 1
"%.0f" % 0.5
"%.0f" % 1.5
"%5s" % u
"{} {}".format(1, "a")
"{0} {1} {0}".format("a", "b")
"{a} {b[0]} {c.x}".format(a=1, b=[2], c={"x": 3})
"{:>5}|{:<5}|{:^5}|{:*^7}".format("a", "b", "c", "d")
"{:5}|{:5}".format("a", 1)
"{:05d}|{:+d}|{: d}|{:,}|{:_}".format(42, 42, 42, 1234567, 1234567)
"{:.2f}|{:8.3f}|{:e}|{:g}|{:%}|{:.1%}".format(3.14159, 3.14159, 12345.678, 1e-10, 0.25, 0.256)
"{:x}|{:X}|{:b}|{:o}|{:#x}|{:#b}|{:c}".format(255, 255, 5, 8, 255, 5, 65)
"{:.3}|{:10.3}|{:.3}".format("abcdef", "abcdef", 3.14159)
"{:,.2f}|{:012,.2f}|{:010,}".format(1234567.891, 1234.5, 12345)
"{!r} {!s} {!r}".format("a", "b", [1])
"{:{}}|{:{w}}".format("a", 5, "b", w=3)
"{{}} {{{}}}".format(1)
"{}".format()
"{1}".format(1)
"{a}".format()
"{} {0}".format(1)
"{".format()
"}".format()
"{:d}".format("a")
"{:d}".format(1.5)
"{:s}".format(1)
"{}".format(none)
"{:5}".format(none)
"{:5}|{}".format(true, true)
"{.x}".format({"x": 1})
"{[a]}".format({"a": 1})
"{[0]}".format([5])
"{0.__class__}".format(1)
"{:.2}|{:.10}|{:.1}|{}".format(1234.5, 1234.5, 0.5, 1e16)
"{:=5}|{:0=5}|{:=+5}".format(-1, -2, 3)
"{a}".format_map({"a": 1})
"a".zfill(3) ~ "-5".zfill(4) ~ "+5".zfill(1)
"a".ljust(3) ~ "|" ~ "a".rjust(3) ~ "|" ~ "a".center(4) ~ "|" ~ "ab".center(5) ~ "|"
"a".ljust(3, "*") ~ "a".rjust(3, "é") ~ "abc".center(6, "-")
"a".center(3, "ab")
"prefix-x".removeprefix("prefix-") ~ "x.txt".removesuffix(".txt") ~ "a".removeprefix("b") ~ "a".removesuffix("")
"abc".isalpha() ~ "ab1".isalpha() ~ "".isalpha() ~ "é日".isalpha()
"123".isdigit() ~ "1a".isdigit() ~ "²".isdigit() ~ "".isdigit()
"²".isdecimal() ~ "½".isnumeric() ~ "١".isdecimal()
"a1".isalnum() ~ "a_".isalnum() ~ "".isalnum()
" \t".isspace() ~ "".isspace() ~ "\u3000".isspace()
"abc".islower() ~ "aBc".islower() ~ "1".islower() ~ "ª".islower()
"ABC".isupper() ~ "1".isupper() ~ "A1".isupper()
"Abc Def".istitle() ~ "Abc def".istitle() ~ "".istitle()
"abc".isidentifier() ~ "1a".isidentifier() ~ "é_1".isidentifier()
"a\n".isprintable() ~ "".isprintable() ~ "a".isascii() ~ "é".isascii()
"a\tb".expandtabs() ~ "|" ~ "a\tb".expandtabs(4) ~ "|" ~ "é\tb\n\tc".expandtabs(tabsize=4)
s.nosuch()
s.upper(1)
s.upper(x=1)
s|upper
s|lower
1|upper
none|upper
s|capitalize
"hELLO wORLD"|capitalize
s|title
s|length
l|length
5|length
none|length
l|count
s|first
s|last
l|first
l|last
d|first
d|last
el|first
el|first is defined
5|first
l|reverse
l|reverse|list
s|reverse
u|reverse
5|reverse
d|reverse|list
range(3)|reverse|list
(1,2)|reverse|list
l|sort
l|sort(reverse=true)
ls|sort
ls|sort(case_sensitive=true)
ls|sort(true)
lm|sort
users|sort(attribute="age")|map(attribute="name")|list
users|sort(attribute="age,name")|map(attribute="name")|list
users|sort(attribute="age", reverse=true)|map(attribute="name")|list
users|sort(attribute="name")|map(attribute="name")|list
users|sort(attribute="tags")
d|sort
s|sort
[{"a": 1}, {"a": 1}]|sort
ll|sort(attribute=1, reverse=true)
l|unique|list
["a", "A", "b", 1, 1.0, true]|unique|list
["a", "A"]|unique(case_sensitive=true)|list
users|unique(attribute="age")|map(attribute="name")|list
[[1], [1]]|unique|list
l|min ~ l|max
ls|min ~ ls|max
ls|min(case_sensitive=true)
el|min is defined
users|max(attribute="age")
[1, "a"]|max
l|sum
[1, 2.5]|sum
el|sum
ls|sum
users|sum(attribute="age")
l|sum(start=10)
ll|sum(start=[])
users|sum("age", 1)
l|join
l|join(", ")
ls|join("-")
lm|join("|")
users|join(", ", attribute="name")
s|join(".")
5|join
l|join(1)
d|join(",")
l|map("string")|list
ls|map("upper")|join
ls|map("replace", "a", "z")|list
users|map(attribute="name")|list
users|map(attribute="tags")|list
users|map(attribute="tags", default=[])|list
users|map(attribute="tags.0", default="none")|list
users|map(attribute="nope")|join(",")
ll|map("first")|list
ll|map(attribute=0)|list
l|map|list
l|map("nosuch")|list
l|map("nosuch") is defined
l|map(attribute="a", x=1)|list
5|map("upper")|list
0|map("upper")|list
none|map("upper")|list
l|map("upper")|length
l|map("string")|first
l|map("string")|last
l|map("string")[0]
l|map("string") is iterable
l|map("string") is sequence
l|select|list
[0, 1, "", "a", none]|select|list
[0, 1, "", "a", none]|reject|list
l|select("odd")|list
l|select("gt", 1)|list
l|select(">", 1)|list
l|reject("odd")|list
l|select("nosuch")|list
l|select("divisibleby", 3)|list
l|select("in", [1, 2])|list
users|selectattr("on")|map(attribute="name")|list
users|selectattr("age", "equalto", 30)|map(attribute="name")|list
users|selectattr("age", "==", 30)|list|length
users|rejectattr("on")|map(attribute="name")|list
users|rejectattr("age", "eq", 30)|map(attribute="name")|list
users|selectattr("on", "defined")|list|length
users|selectattr()|list
users|selectattr("name", "nosuch")|list
users|selectattr("nope.deep")|list
users|groupby("age")
users|groupby("age")|map("first")|list
users|groupby("name")|map(attribute="grouper")|list
users|groupby(attribute="on", default=false)|map(attribute="list")|map("length")|list
["b", "A", "a"]|groupby("x")
users|groupby("on")
l|batch(2)|list
l|batch(2, "x")|list
range(7)|batch(3, 0)|list
l|batch(0)|list
el|batch(2)|list
l|slice(2)|list
range(7)|slice(3)|list
range(7)|slice(3, "x")|list
l|slice(0)|list
l|slice(5)|list
d|dictsort
{"b": 1, "A": 2, "a": 3}|dictsort
{"b": 1, "A": 2}|dictsort(true)
{"b": 1, "a": 2}|dictsort(by="value")
{"b": 1, "a": 2}|dictsort(reverse=true)
{"b": 1, "a": 2}|dictsort(false, "nope")
{"b": 1, 2: 2}|dictsort
l|dictsort
d|items|list
l|items|list
l|items is defined
d|list
s|list
u|list
5|list
d.items()|list|length
d|tojson
json|tojson
json|tojson(indent=2)
json|tojson(indent=0)
json|tojson(indent="--")
json|tojson(ensure_ascii=true)
"é🙂\x7f<>&'"|tojson
"é🙂\x7f<>&'"|tojson(true)
json|tojson(separators=(",", ":"))
json|tojson(sort_keys=true)
json|tojson(indent=2, separators=(",", ": "))
[1, 1.0, true, none, "a", (1, 2), 1e100, 1e-7, 100000.0]|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1,): 2}|tojson
{1: 2, "a": 3}|tojson(sort_keys=true)
range(3)|tojson
d.keys()|tojson
l|map("string")|tojson
namespace(a=1)|tojson
[]|tojson(indent=2)
[[], {}, [1]]|tojson(indent=1)
l|tojson(indent=2.5)
l|tojson(foo=1)
l|tojson(separators=",")
"x"|tojson(indent=4)
[0.1, 1/3, 1e16, -0.0]|tojson
sp|trim ~ "|"
"xxaxx"|trim("x")
"xxaxx"|trim(chars="x")
5|trim
"x"|trim(5)
s|replace("l", "L")
s|replace("l", "L", 2)
s|replace("l")
5|replace(5, 6)
none|replace("None", "x")
s|replace(old="l", new="1")
s|default("x")
empty|default("x")
empty|default("x", true)
empty|default("x", boolean=true)
none|default("x")
none|default("x", true)
nope|default(default_value="q")
0|d("zero", true)
"42"|int
"42.9"|int
"abc"|int
"abc"|int(5)
"abc"|int(default=none)
" 42 "|int
"4_2"|int
"_42"|int
"-42"|int
"+42"|int
"0x1f"|int(base=16)
"1f"|int(0, 16)
"0b11"|int(0, 2)
"0x1f"|int
"z"|int(base=36)
"12"|int(base=50)
"10"|int(base=0)
"010"|int(base=0)
"1e3"|int
"inf"|int
"nan"|int
""|int
"١٢"|int
42.9|int
-42.9|int
true|int
none|int
l|int
l|int("x")
1e400|int
"4.5"|float
"abc"|float
"abc"|float(1.5)
" 1e3 "|float
"1_0.5"|float
"inf"|float
"-Infinity"|float
"nan"|float
".5"|float
"5."|float
"1e"|float
"0x10"|float
none|float
5|float
true|float
42.55|round
42.55|round(1)
42.55|round(1, "floor")
42.55|round(1, "ceil")
42.45|round(1)
2.675|round(2)
0.5|round
1.5|round
2.5|round
-2.5|round
42|round
42|round(-1)
45|round(-1)
55|round(-1)
1234.5|round(-2)
42|round(1, "ceil")
42.1|round(0, "ceil")
1e300|round(2)
"a"|round
none|round
42.5|round(none)
42.5|round(1, "x")
true|round
1.1|round(precision=0, method="floor")
-3|abs
"a"|abs
1.0|string
none|string
true|string
l|string
d|string
s|string
s|indent
lines|indent
lines|indent(2)
lines|indent(2, true)
lines|indent(2, blank=true)
lines|indent(2, true, true)
lines|indent("> ", first=true)
lines|indent(width=1)
""|indent
""|indent(2, true)
5|indent
s|center(20) ~ "|"
s|center ~ "|"
"foo bar baz qux"|truncate(9)
"foo bar baz qux"|truncate(9, true)
"foo bar baz qux"|truncate(11)
"foo bar baz qux"|truncate(11, false, "...", 0)
"foo bar baz qux"|truncate(5, end="")
"foobar"|truncate(2)
"foobarbaz"|truncate(3, leeway=0)
"foo bar baz"|truncate(8, leeway=0, end="é")
"foo bar baz qux"|wordwrap(7)
"a longwordthatbreaks here"|wordwrap(5)
"a longwordthatbreaks here"|wordwrap(5, false)
"well-known and re-use x-y -- dash--dash a---b"|wordwrap(6)
"well-known and re-use x-y"|wordwrap(6, break_on_hyphens=false)
"line one\n\n  line two is long"|wordwrap(8, wrapstring="|")
"aa  bb   cc"|wordwrap(4)
"x"|wordwrap(0)
"one two-three, four_5 é"|wordcount
""|wordcount
html|escape
html|e
html|e|e
html|forceescape
html|escape|forceescape
html|safe
html|striptags
"<!-- a <b> --> x  <i>y</i>\n z &amp; &lt;"|striptags
(html|safe) + "<"
"<" + (html|safe)
(html|e) ~ "<"
(html|safe) * 2
(html|e)|length
(html|safe)|upper
(html|safe).upper() + "<"
(html|safe)|replace("b", "<")
(html|safe).replace("b", "<")
(html|safe) is escaped
html is escaped
[html|safe]
("%s"|safe) % "<"
("{}"|safe).format("<")
("<"|safe).join(["<", "a"])
("a"|safe).split("x")
none|escape
5|e
"a b/c?d=é&x"|urlencode
{"a b": "c/d", "é": 1}|urlencode
[("a", 1), ("b", "&")]|urlencode
5|urlencode
{"class": "x<y", "id": none, "n": 5, "u": nope}|xmlattr
{"a b": 1}|xmlattr
{}|xmlattr
{"a": 1}|xmlattr(false)
"%s-%s"|format("a", 1)
"%(x)s"|format(x=1)
"%s"|format("a", x=1)
"%s %s"|format("a")
1000|filesizeformat
1|filesizeformat
0|filesizeformat
123456789|filesizeformat
123456789|filesizeformat(true)
"1500"|filesizeformat
1e30|filesizeformat
d|pprint
"a"|pprint
{"b": 1, "a": {"d": 1, "c": 2}}|pprint
d|attr("a") is defined
d|attr("items") is defined
s|attr("upper")()
s|attr(1)
s|nosuchfilter
1 is nosuchtest
s is filter
"upper" is filter
"upper" is test
"odd" is test
1 is odd
2 is even
0 is even
1.5 is odd
"a" is odd
6 is divisibleby 3
6 is divisibleby(4)
6 is divisibleby 0
6 is divisibleby
none is none
n is none
0 is none
t is boolean
1 is boolean
false is false
0 is false
true is true
1 is true
1 is integer
true is integer
1.0 is integer
1.0 is float
1 is float
1 is number
true is number
"1" is number
"a" is string
(html|safe) is string
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
5 is sequence
d.items() is sequence
range(3) is sequence
l is iterable
5 is iterable
namespace() is iterable
range is callable
s.upper is callable
s is callable
"abc" is lower
"ABC" is upper
5 is lower
5 is sameas 5
none is sameas none
true is sameas 1
l is sameas l
[1] is sameas [1]
1 is in [1, 2]
1 is in l
"a" is in "abc"
1 is not in l
1 is eq 1
1 is == 1
1 is equalto 1.0
1 is ne 2
2 is gt 1
2 is greaterthan 1
2 is ge 2
1 is lt 2
1 is lessthan 0
1 is le 1
1 is not odd
not 1 is odd
1 is odd is even
1 is odd or 2 is odd
1 is divisibleby 1 and true
x is defined
x is not defined
x.y is defined
d.a is defined
d.q is defined
1 is eq(num=1)
6 is divisibleby(num=3)
dict(a=1, b=2)
dict({"a": 1}, b=2)
dict([("a", 1), ("b", 2)])
dict([1])
dict(1)
dict({}, {})
dict(**{"x": 1})
dict.fromkeys("ab", 0)
namespace(a=1)
namespace(a=1).a
namespace(a=1)["a"]
namespace(a=1).b
namespace(a=1).b is defined
namespace({"a": 1}, b=2).b
namespace(_a=1)
namespace([("a", 1)]).a
cycler("a", "b").next()
cycler("a", "b").current
cycler()
joiner("|")() ~ joiner("|")()
joiner(",", 1)
raise_exception("boom " ~ 1)
raise_exception()
strftime_now("%Y-%m-%d %H:%M:%S")
strftime_now("%d %b %Y %B %a %A %j %p %I %y %%")
strftime_now("%e|%-d|%c|%x|%X|%D|%F|%T|%R|%h|%n|%U|%w|%u|%V|%G|%C|%s|é")
strftime_now("%f")
strftime_now("%Z%z")
strftime_now()
strftime_now(5)
1()
"a"()
l()
s.upper()()
s.split(*["l", 1])
s.split(**{"sep": "l", "maxsplit": 1})
s.split(*[","], **{"maxsplit": 0})
s.replace(*["l"], **{"x": 1})
s.split(*5)
s.split(**5)
s.split(**{1: 2})
s | upper | lower | title
(1, 2) | join
[1, 2] | join | int + 1
{"a": 1}.a
{"a": 1}["a"]
[1, 2][0]
"abc"[1]
"abc".upper()
(1).real
1.real
1.5.real
none.x
true and "x" or "y"
"" or [] or {} or 0 or none or "last"
(1, [2, {"a": (3,)}])
a.b.c
a|b
a is b
loop
self
self.x
self.x is defined
super
caller
varargs
range(3)|list|tojson
[1, 2, 3]|map("string")|join("+")
(l|sort)[0]
l|sort|first
(d.items()|list)[0][1]
"a" "b" ~ "c"
1 ~ 2 + 3
1 + 2 ~ 3
2 * 3 ~ 4
-1 ~ -2
10 ** 30
-10 ** 30
10 ** 30 // 7
10 ** 30 % 7
10 ** 20 * 1.5
(10 ** 20)|string|length
1e308 * 10
-(1e308 * 10)
1e308 * 10 - 1e308 * 10
(1e308 * 10)|int
true + 1.5
5 // 2.0
-5 // 2
5.5 // -2
-5 % 3
5 % -3
5.5 % 2
-5.5 % 2
1 if 1 else
{1 2}
[1 2]
(1
foo bar
1 +
a..b
a.
a[
a[1:2, 3]
a[]
f(a=1, 2)
f(a=1, a=2)
f(**a, *b)
f(*a, b)
f(,)
f(1,)
|upper
1 | 
1 is
$
a ? b : c
'unterminated
"a" 'b
1 2
'\xZZ'
'\ud800'
é + 1
"x".y.z
not
in
{{ 1 }}
{{}}
""
"}}"
"%}"
'{{'
"a" if "b" in "abc" else "c"
users[0].name
users[-1]["age"]
users[0].tags[0]
users|map(attribute="name")|map("upper")|join(" ")
users|selectattr("age", "gt", 26)|map(attribute="name")|sort|list
users[1:]|map(attribute="name")|list
(users|first).name
(users|last).on
users|length > 2
users is iterable and users is not mapping and users is not string
d is mapping and "a" in d and d.a is number
"role" in {"role": "x"}
[1, 2] in [[1, 2]]
(1, 2) in [(1, 2)]
{"a": 1} in [{"a": 1}]
1.0 in [1]
true in [1]
none in [none]
"" in "abc"
"" in ""
l == [3, 1, 2]
l is eq [3, 1, 2]
lm
lm|tojson
nd
users
[u, html, lines]
"\u00e9" == "é"
"z" > "é"
"🙂" > "\uffff"
"abc"|list|join("-")|upper
"a-b_c"|replace("-", "_")|upper
"  x "|trim|length
""|trim|length
s|length + 1
"1" + 1|string
"1" ~ 1
"0" and true
[] and true
0.0 or "zero"
"False" or 1
"""

TEMPLATES = [
    # white space control
    "a\n{% if t %}\nb\n{% endif %}\nc\n",
    "a\n  {% if t %}\n  b\n  {% endif %}\nc",
    "a {%- if t -%} b {%- endif -%} c",
    "a\n  {%+ if t %}\nb{% endif +%}\nc",
    "a\n  {{- 1 -}}  \n b", "a {{ 1 }} b\n", "a\n\n", "a\n\n\n", "\n", "",
    "  {# c #}\nx", "  {#- c -#}  \nx", "a {# c #} b", "{# a #}{# b #}\nx", "{#- {{ x }} -#}", "a{#-#}b", "{#", "{# a",
    "  x {% if t %}y{% endif %}\n  z", "x\n\t{% if t %}\ty{% endif %}", "{% if t -%}\n\n x {%- endif %}", "a\r\nb\rc{% if t %}\r\nd{% endif %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "{%- raw -%} {{ x }} {%- endraw -%} y", "  {% raw %}\n a {% endraw %}\nb", "{% raw %}", "{% raw %}{% endraw", "{% raw %}  {%- endraw %}  x",
    "{{ '{{' }} }} %} #}", "{ {% if t %}{{% endif %} }", "{{+ 1 }}", "{{-1}}", "{{ {'a': {'b': 1}}}}", "{{ {'a': {'b': 1}}.a.b }}",
    "{% if t %}a{% else %}b{% endif", "{% if t", "{{ 1", "{% if t %}a", "{% endif %}", "{% for %}", "{% nosuch %}", "{% if t %}{% endfor %}", "{% %}", "{%%}",
    "{% set x = 1 %}\n{% set y = 2 %}\n{{ x + y }}\n", "{% set x = 1 -%}\n  {{ x }}", "a  {%- set x = 1 %}  b", "{{ x }}\n{% set x = 1 %}\n{{ x }}",
    # if
    "{% if z %}a{% elif i %}b{% else %}c{% endif %}", "{% if z %}a{% elif el %}b{% else %}c{% endif %}", "{% if nope %}a{% endif %}", "{% if 1, 2 %}a{% endif %}",
    "{% if not d.zz and i > 3 %}yes{% endif %}", "{% if 1 if t else 0 %}a{% endif %}", "{% if t: %}a{% endif %}", "{% if %}a{% endif %}",
    "{% if z %}{{ 1|nosuch }}{% endif %}ok", "{% if t %}{{ 1|nosuch }}{% endif %}ok", "{{ 1|nosuch if z else 2 }}", "{% if z %}{{ 1 is nosuch }}{% endif %}", "{% if z %}{% for x in l %}{{ x|nosuch }}{% endfor %}{% endif %}",
    # for
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in el %}{{ x }}{% else %}none{% endfor %}", "{% for x in nope %}a{% else %}b{% endfor %}", "{% for x in 5 %}a{% endfor %}", "{% for x in none %}a{% endfor %}",
    "{% for x in s %}{{ x }}.{% endfor %}", "{% for x in u %}{{ x }}.{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}{% endfor %}",
    "{% for a, b in ll %}{{ a }}{{ b }}{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for a, b in l %}{% endfor %}", "{% for (a, b) in ll %}{{ a }}{% endfor %}", "{% for a, in [[1]] %}{{ a }}{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}", "{% for x in l if x > 9 %}a{% else %}b{% endfor %}", "{% for a, b in ll if a > 1 %}{{ a }}{{ loop.previtem is defined }}{% endfor %}", "{% for x in l if loop.index %}{{ x }}{% endfor %}", "{% set q = 1 %}{% for x in l if x > q %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for x in l %}[{{ loop.previtem }}|{{ x }}|{{ loop.nextitem }}]{% endfor %}", "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in l %}{{ loop.cycle() }}{% endfor %}", "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}", "{% for x in l %}{{ loop }}{% endfor %}", "{% for x in l %}{{ loop.nope }}{{ loop._x }}{% endfor %}", "{% for x in l|map('string') %}{{ loop.length }}{{ loop.last }}{{ x }} {% endfor %}", "{% for x in l|map('string') %}{{ loop.last }}{{ loop.revindex }}{% endfor %}", "{% for x in l %}{{ loop.last }}{{ loop.length }}{% endfor %}",
    "{% for x in l %}{% for y in [1, 2] %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}", "{% for x in l %}{% set o = loop %}{% for y in [1, 2] %}{{ o.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in l %}{{ x }}{% break %}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% continue %}{% else %}E{% endfor %}", "{% for x in l %}{% break %}{% else %}E{% endfor %}", "{% for x in l %}{% if loop.index == 2 %}{% break %}{% endif %}{{ x }}{% else %}E{% endfor %}", "{% break %}", "{% continue %}", "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% for x in l %}{% for y in el %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}", "{% for x in l %}a{% filter upper %}b{% break %}{% endfilter %}{% endfor %}c", "{% for x in l %}a{% set q %}b{% continue %}{% endset %}{{ q }}{% endfor %}c",
    "{% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}, {'v': 3}]}] recursive %}{{ n.v }}@{{ loop.depth }}({{ loop(n.c) if n.c }}){% endfor %}", "{% for x in l %}{{ loop(l) }}{% endfor %}", "{% for x in [[1, [2]], [3]] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}{% endif %}{% endfor %}", "{% for x in [[]] recursive %}a{{ loop(x) }}{% else %}E{% endfor %}", "{% set loop = 1 %}{{ loop }}", "{% for loop in l %}{% endfor %}", "{% for x in l %}{% set loop = 1 %}{% endfor %}", "{% for x in x recursive %}{{ loop(x) }}{% endfor %}",
    "{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}", "{% for x in (1, 2) %}{{ x }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in d.values() %}{{ x }};{% endfor %}", "{% for x in l|reverse %}{{ x }}{{ loop.last }}{% endfor %}", "{% for x in loop %}{% endfor %}", "{% for x, l2 in [(1, 2)] %}{{ x }}{{ l2 }}{% endfor %}", "{% for g in users|groupby('age') %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}", "{% for a, us in users|groupby('age') %}{{ a }}:{{ us|map(attribute='name')|join(',') }} {% endfor %}", "{% set g = l|map('string') %}{{ g|list }}{{ g|list }}", "{% set g = l|map('string') %}{{ 'x' if g }}{{ g|first }}{{ g|list }}",
    # set and scopes
    "{% set x = 1 %}{% for y in l %}{% set x = y %}{{ x }}{% endfor %}{{ x }}", "{% for y in l %}{{ x }}{% set x = y %}{% endfor %}", "{% set x = 0 %}{% for y in l %}{{ x }}{% set x = x + y %}{{ x }} {% endfor %}", "{% set ns = namespace(x=0) %}{% for y in l %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b = ns.a %}{{ ns.b }}{{ ns }}", "{% set d.x = 1 %}", "{% set nope.x = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set ns = namespace(a=1) %}{% set ns.a, b = 2, 3 %}{{ ns.a }}{{ b }}", "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns }}", "{% set ns = namespace() %}{% set ns.l = [ns] %}{{ ns }}{{ ns.l }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1, 2] %}{{ a }}{{ b }}", "{% set a, b = 1 %}", "{% set a, b = b, a %}{{ a is defined }}", "{% set (a, b) = 1, 2 %}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set a, (b, c) = 1, (2, 3) %}{{ c }}", "{% set 1 = 2 %}", "{% set 'a' = 2 %}", "{% set true = 2 %}", "{% set a.b.c = 1 %}", "{% set a[0] = 1 %}", "{% set %}", "{% set a %}", "{% set a = %}", "{% set a b = 1 %}",
    "{% set x %}a{{ 1 }}{% endset %}{{ x }}|{{ x|length }}", "{% set x | upper %}a{{ 1 }}b{% endset %}{{ x }}", "{% set x | replace('a', 'b') | upper %}aa{% endset %}{{ x }}", "{% set x | replace(q, 'b') %}aa{% endset %}", "{% set q = 'a' %}{% set x | replace(q, 'b') %}aa{% endset %}{{ x }}", "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}", "{% set x %}{% endset %}[{{ x }}]", "{% set a, b %}xy{% endset %}{{ a }}{{ b }}", "{% set ns = namespace() %}{% set ns.x %}abc{% endset %}{{ ns.x }}",
    "{% if t %}{% set x = 1 %}{% endif %}{{ x }}", "{% if z %}{% set s = 1 %}{% endif %}{{ s }}", "{% if z %}{% set x = 1 %}{% endif %}{{ x is defined }}", "{% set s = s ~ '!' %}{{ s }}", "{{ s }}{% set s = 1 %}{{ s }}", "{% for y in [1] %}{{ s }}{% endfor %}{% set s = 5 %}", "{% for y in [1] %}{% set s = 5 %}{% endfor %}{{ s }}", "{% for y in [1, 2] %}{{ s }}{% set s = y %}{% endfor %}", "{% if z %}{% set s = 1 %}{% else %}{% set q = 2 %}{% endif %}{{ s }}{{ q }}", "{% for s in l %}{{ s }}{% endfor %}{{ s }}", "{% for y in [1, 2] %}{% if y == 2 %}{{ i }}{% endif %}{% if y == 1 %}{% set i = 99 %}{% endif %}{{ i }} {% endfor %}",
    "{% with %}{% set x = 1 %}{{ x }}{% endwith %}{{ x }}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with a, b = (1, 2) %}{{ b }}{% endwith %}", "{% with a = 1 b = 2 %}{% endwith %}",
    # macros
    "{% macro m(a, b=2) %}[{{ a }},{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=4, a=5) }}{{ m() }}", "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}", "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, b=3) }}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(7) }}", "{% macro m(a=b, b=1) %}{{ a }}{% endmacro %}{{ m() }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a, a) %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m(1) %}{% endmacro %}",
    "{% macro m() %}x{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m.caller }}{{ m.catch_kwargs }}{{ m.nope }}", "{{ m() }}{% macro m() %}x{% endmacro %}", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(1) }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro m() %}{% set x = 9 %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}{{ x }}", "{% macro m() %}{% set x = x + 1 %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}{{ m() }}{{ x }}", "{% macro m() %}{{ s }}{% endmacro %}{{ m() }}", "{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}", "{% macro m() %}{{ loop.index }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}", "{% for x in l %}{% macro m() %}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(x) %}\n  a\n  {% if x %}\n  b\n  {% endif %}\n{% endmacro %}{{ m(1) }}|{{ m(0)|trim }}|", "{% macro m(x) -%} {{ x }} {%- endmacro %}{{ m('q')|length }}", "{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}", "{% macro m(a) %}{{ caller(a) }}{% endmacro %}{% call(x) m(5) %}<{{ x }}>{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}a{{ s }}{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}{% call m() %}x{% endcall %}", "{% macro m(caller=none) %}{{ caller() if caller else 'no' }}{% endmacro %}{% call m() %}x{% endcall %}{{ m() }}", "{% macro m() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b=3, c=4) m() %}{{ a }}{{ b }}{{ c }}{% endcall %}", "{% call s.upper() %}{% endcall %}", "{% call 5 %}{% endcall %}", "{% call m() %}", "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}{% call m() %}x{% endcall %}{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{% set v = 1 %}{% call m() %}{% set v = 2 %}{{ v }}{% endcall %}{{ v }}", "{% macro m(a, *b) %}{% endmacro %}", "{{ (m)(1) }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(**{'x': 1}) }}{{ m(*[2]) }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ l|map('string')|map('upper')|join }}{{ [1, 2]|map(m)|list }}", "{% macro m() %}a{% endmacro %}{{ m()|upper }}{{ m() ~ 'b' }}{{ m()|length }}", "{% macro m(kwargs) %}{{ kwargs }}{% endmacro %}{{ m(1) }}", "{% macro _m() %}x{% endmacro %}{{ _m() }}",
    # filter blocks, print, generation, blocks, loaders
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter upper|replace('A', 'b') %}aa{% endfilter %}", "{% filter trim %}  a {% set x = 1 %} {{ x }} {% endfilter %}{{ x }}", "{% filter indent(2, true) %}a\nb{% endfilter %}", "{% filter nosuch %}{% endfilter %}", "{% filter length %}abc{% endfilter %}", "{% print 1, 'a' %}", "{% print %}", "{% generation %}a{{ s }}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}", "{% for x in l %}{% generation %}{{ x }}{% endgeneration %}{% endfor %}", "{% generation %}", "{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% block a %}x{{ s }}{% endblock %}", "{% block a %}x{% endblock a %}{{ self.a() }}", "{% set q = 1 %}{% block a %}{{ q }}{% endblock %}", "{% for x in l %}{% block a %}{{ x }}{% endblock %}{% endfor %}", "{% for x in l %}{% block a scoped %}{{ x }}{{ loop.index }}{% endblock %}{% endfor %}", "{% block a %}{% endblock %}{% block a %}{% endblock %}", "{% block a %}{{ super() }}{% endblock %}", "{% block a required %}{% endblock %}", "{% block a %}{% set z = 5 %}{{ z }}{% endblock %}{{ z }}", "{% macro m() %}M{% endmacro %}{% block a %}{{ m() }}{% endblock %}", "{% block a-b %}{% endblock %}", "{{ self.nope }}", "{{ self.nope() }}",
    "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% if z %}{% include 'x' %}{% endif %}ok", "{% if z %}{% import 'x' as y %}{% endif %}{{ y is defined }}", "{% include 'x' ignore missing %}", "{% autoescape false %}{{ html }}{% endautoescape %}", "{% do 1 %}", "{% debug %}", "{% trans %}{% endtrans %}",
    # odds and ends
    "{% for x in l -%}\n {{ x }}\n{%- endfor %}", "{{ 1 }}{{ 2 }}", "{{ x }}{{ y }}z", "{{ joiner }}" if False else "{% set j = joiner(', ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}", "{% set x = [1, 2] %}{% set y = x + [3] %}{{ x }}{{ y }}", "{% set x = {'a': 1} %}{% set y = dict(x, b=2) %}{{ x }}{{ y }}", "{% set x = [] %}{% for y in l %}{% set x = x + [y] %}{% endfor %}{{ x }}", "{% set _ = l.append(1) %}", "{% set _ = d.pop('a') %}", "{% set ns = namespace(l=[]) %}{% for x in l %}{% set ns.l = ns.l + [x * 2] %}{% endfor %}{{ ns.l|join(',') }}", "{% set ns = namespace(l=[]) %}{% set ns.l = [ns.l] %}{% set ns.l = [ns.l] %}{{ ns.l }}",
    "{% for m in users %}{% if loop.first %}F{% endif %}{{ m['name'] }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for m in users %}{{ m.tags|default(['none'])|first }} {% endfor %}", "{% for m in users if m.on is defined %}{{ m.name }}{% endfor %}", "{% for m in users %}{%- if m.name == 'bob' %}{{ raise_exception('no ' + m.name) }}{% endif %}{% endfor %}", "{{ raise_exception(5) }}", "{{ raise_exception('a\nb') }}",
    "{% for a in [1] %}{% for b in [2] %}{% for c in [3] %}{{ a }}{{ b }}{{ c }}{% set a = 9 %}{{ a }}{% endfor %}{{ a }}{% endfor %}{{ a }}{% endfor %}", "{% set x = 1 %}{% with %}{% set x = 2 %}{% with %}{% set x = x + 1 %}{{ x }}{% endwith %}{{ x }}{% endwith %}{{ x }}", "{% macro m(x) %}{% for y in x %}{{ y }}{{ x|length }}{% endfor %}{% endmacro %}{{ m([1, 2]) }}", "{% set f = s.upper %}{{ f() }}", "{% set f = d.get %}{{ f('a') }}{{ f('q', 2) }}", "{{ (d.items()|sort)[0] }}", "{{ d.items()|map('first')|list }}", "{% set x = 5 if z %}{{ x is defined }}[{{ x }}]", "{% set x = (5 if z) %}{{ x.a }}", "{% for x in l %}{% if x is odd %}{% set y = x %}{% endif %}{{ y }}{% endfor %}", "{% for x in l %}{% if x is even %}{% set i = x %}{% endif %}{{ i }}{% endfor %}",
    "{% set x = 'a' %}{% for i in range(20) %}{% set ns = namespace(v=x) %}{% endfor %}{{ ns is defined }}", "{{ (l|map('string')|list + ['x'])|join }}", "{{ '{}-{}'.format(*l[:2]) }}", "{{ [1, 2, 3][1:][0] }}", "{{ 'a,b;c'.replace(',', ';').split(';')|last }}", "{{ ('a' ~ 1)|upper }}", "{{ d.c[0] + d['c'][1] }}", "{{ not s.startswith('x') and 'World' in s }}", "{{ {'a': {'b': [1, {'c': 2}]}}['a'].b[1].c }}",
]


def templates():
    for line in EXPRESSIONS.strip("\n").split("\n"):
        yield "{{ " + line + " }}"
    yield from TEMPLATES
