#include <gtest/gtest.h>

#include "base/yaml_tree.h"
#include "deploy/validate/cel/cel_eval.h"

namespace hadal {
namespace {

// "true", "false", "error: ..." or a type.
std::string answer(const std::string& expression, const std::string& self = "{}") {
  const Result<CelNodePtr> tree = parse_cel(expression);
  if (!tree.ok()) return "syntax: " + tree.error().message;
  const SchemaSet schemas;
  const YamlStream stream = parse_yaml_stream(self);
  Value value = to_value(*stream.documents.at(0).root);
  link_parents(value);
  CelEvaluator evaluator(schemas, 1'000'000);
  evaluator.bind("self", cel_from_value(value, Schema::kNone, schemas));
  const CelValue out = evaluator.eval(**tree);
  if (out.is<bool>()) return out.get<bool>() ? "true" : "false";
  if (out.is_error()) return "error: " + out.get<CelError>().message;
  return out.type_name();
}

class IsTrue : public testing::TestWithParam<const char*> {};
TEST_P(IsTrue, Holds) {
  EXPECT_EQ(answer(GetParam(), "{a: 1, s: text, l: [1, 2, 3], m: {x: z}, d: {a-b: 2}}"), "true")
      << GetParam();
}

// From the language's definition (google/cel-spec) and the documentation of Kubernetes' libraries.
INSTANTIATE_TEST_SUITE_P(
    Language, IsTrue,
    testing::Values(
        "1 + 2 * 3 == 7", "7 / 2 == 3", "-7 / 2 == -3", "-7 % 3 == -1", "7u / 2u == 3u", "1.5 * 2.0 == 3.0",
        "1 == 1.0", "1 < 1.5", "1u <= 1", "2 > 1.9", "'a' < 'b'", "b'a' < b'b'", "true != false",
        "null == null", "'a' + 'b' == 'ab'", "[1] + [2] == [1, 2]", "size('h\\u00e9llo') == 5",
        "'\\x41' == 'A'", "r'\\d' == '\\\\d'", "'''a\"b''' == 'a\"b'", "0x10 == 16", "1e3 == 1000.0",
        "-9223372036854775808 < 0", "!false", "!(1 > 2)", "1 in [1, 2]", "'x' in {'x': 1}", "{'a': 1}.a == 1",
        "{'a': 1}['a'] == 1", "[1, 2, 3][1] == 2", "true || 1/0 == 1", "1/0 == 1 || true",
        "!(false && 1/0 == 1)", "!(1/0 == 1 && false)", "true ? true : 1/0 == 1", "[1, 2].all(x, x > 0)",
        "[1, 2].exists(x, x == 2)", "[1, 2].exists_one(x, x == 2)", "![1, 1].exists_one(x, x == 1)",
        "[1, 0].exists(x, 1 / x == 1)", "[1, 2, 3].filter(x, x > 1) == [2, 3]",
        "[1, 2].map(x, x * 2) == [2, 4]", "[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]",
        "{'a': 1, 'b': 2}.all(k, k in ['a', 'b'])", "[5, 6].all(i, v, v == i + 5)",
        "{'a': 1}.exists(k, v, k == 'a' && v == 1)", "[1, 2].transformList(i, v, v + i) == [1, 3]",
        "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}", "has(self.a)", "!has(self.b)", "has(self.m.x)",
        "self.d.a__dash__b == 2", "self.l.size() == 3", "self.s.startsWith('te')", "type(1) == int",
        "type('') == string", "type([]) == list", "type(type(1)) == type", "int('42') == 42", "int(3.9) == 3",
        "uint(3) == 3u", "double(2) == 2.0", "string(5) == '5'", "string(true) == 'true'", "bool('true')",
        "bytes('a') == b'a'", "duration('1h30m') == duration('90m')", "duration('1m') > duration('59s')",
        "duration('90s').getMinutes() == 1", "timestamp('2024-02-29T12:30:00Z').getMonth() == 1",
        "timestamp('2024-02-29T12:30:00Z').getDayOfWeek() == 4",
        "timestamp('2024-01-01T00:00:10Z') - timestamp('2024-01-01T00:00:00Z') == duration('10s')",
        "timestamp('2024-01-01T00:00:00Z') + duration('24h') == timestamp('2024-01-02T00:00:00Z')",
        "self.?a.hasValue()", "!self.?b.hasValue()", "self.?b.orValue(7) == 7",
        "self.?m.?x.orValue('') == 'z'", "optional.of(1).value() == 1", "!optional.none().hasValue()",
        "!optional.ofNonZeroValue(0).hasValue()", "[1, ?self.?b] == [1]", "self[?'b'].orValue(3) == 3",
        "optional.of(2).optMap(x, x * 2).value() == 4", "cel.bind(x, 2, x * x) == 4",
        "{?'a': self.?b} == {}"));
INSTANTIATE_TEST_SUITE_P(
    Libraries, IsTrue,
    testing::Values(
        "'abc'.matches('^a.c$')", "'a1b22'.find('[0-9]+') == '1'", "'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "'a1b22'.findAll('[0-9]+', 1) == ['1']", "'hello'.indexOf('l') == 2", "'hello'.lastIndexOf('l') == 3",
        "'hello'.charAt(1) == 'e'", "'hello'.substring(1, 3) == 'el'",
        "'a,b,c'.split(',') == ['a', 'b', 'c']", "'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "['a', 'b'].join('-') == 'a-b'", "'aaa'.replace('a', 'b', 2) == 'bba'", "'AbC'.lowerAscii() == 'abc'",
        "' x '.trim() == 'x'", "'abc'.reverse() == 'cba'", "'%s is %d'.format(['x', 1]) == 'x is 1'",
        "[1, 2, 3].sum() == 6", "[3, 1].min() == 1", "[3, 1].max() == 3", "[1, 2, 2].isSorted()",
        "[1, 2, 1].lastIndexOf(1) == 2", "sets.contains([1, 2], [2])", "sets.equivalent([1, 2], [2, 1, 1])",
        "!sets.intersects([1], [2])", "quantity('1Gi').isGreaterThan(quantity('1G'))",
        "quantity('500m').isLessThan(quantity('1'))", "quantity('1k').asInteger() == 1000",
        "isQuantity('64Gi')", "!isQuantity('64 GB')",
        "quantity('1').add(quantity('2')).compareTo(quantity('3')) == 0", "quantity('0').sign() == 0",
        "ip('10.0.0.1').family() == 4", "isIP('::1')", "!isIP('300.1.1.1')", "ip('127.0.0.1').isLoopback()",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3')", "!cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
        "cidr('10.0.0.0/8').prefixLength() == 8", "isURL('https://a.b:80/c?d=e')",
        "url('https://a.b:80/c?d=e').getHost() == 'a.b:80'",
        "url('https://a.b:80/c?d=e').getQuery() == {'d': ['e']}",
        "url('https://[::1]:80/').getHostname() == '::1'", "!isURL('a b')",
        "!format.dns1123Label().validate('a-b').hasValue()",
        "format.dns1123Label().validate('A_B').hasValue()", "format.named('uuid').hasValue()",
        "ip.isCanonical('127.0.0.1')"));

class IsError : public testing::TestWithParam<const char*> {};
TEST_P(IsError, Fails) {
  EXPECT_TRUE(answer(GetParam()).starts_with("error")) << GetParam() << " is " << answer(GetParam());
}
INSTANTIATE_TEST_SUITE_P(Errors, IsError,
                         testing::Values("1 / 0 == 1", "9223372036854775807 + 1 > 0",
                                         "-9223372036854775807 - 2 < 0", "self.b == 1", "[1][5] == 1",
                                         "[1][-1] == 1", "int('x') == 1", "'a' < 1", "1 + 'a' == 'b'",
                                         "1 && true", "optional.none().value() == 1",
                                         "quantity('x') == quantity('1')", "'a'.matches('(')", "nothing == 1",
                                         "'a'.nothing()", "18446744073709551615u + 1u > 0u",
                                         "[1, 2].all(x, x)", "duration('5min') == duration('5m')"));

class IsSyntax : public testing::TestWithParam<const char*> {};
TEST_P(IsSyntax, IsRefused) {
  EXPECT_TRUE(answer(GetParam()).starts_with("syntax")) << GetParam();
}
INSTANTIATE_TEST_SUITE_P(Syntax, IsSyntax,
                         testing::Values("", "1 +", "(1", "a b", "'x", "1 === 1", "for", "@", "[1, 2", "{1}",
                                         "a.", "9999999999999999999", "a ? b"));

TEST(Cel, DeepAndLongExpressionsAreRefused) {
  EXPECT_TRUE(answer(std::string(5000, '(') + "1" + std::string(5000, ')')).starts_with("syntax"));
  EXPECT_TRUE(answer(std::string(5000, '!') + "true").starts_with("syntax"));
  std::string chain = "true";
  for (int i = 0; i < 2000; ++i) chain += " && true";
  EXPECT_EQ(answer(chain), "true");
}

TEST(Cel, WorkIsBounded) {
  std::string list = "[0";
  for (int i = 1; i < 200; ++i) list += "," + std::to_string(i);
  list += "]";
  EXPECT_EQ(answer(list + ".all(a, " + list + ".all(b, " + list + ".all(c, " + list +
                   ".all(d, a + b + c + d >= 0))))"),
            "error: the rule takes too long");
}

}  // namespace
}  // namespace hadal
