#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hadal {
namespace {

TEST(Json, RoundTripKeepsOrderAndTypes) {
  const std::string text = R"({"b":1,"a":[true,null,-2,1.5,"x\n\u00e9"],"big":18446744073709551615})";
  auto value = parse_json(text);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(to_json(*value),
            "{\"b\":1,\"a\":[true,null,-2,1.5,\"x\\n\u00e9\"],\"big\":18446744073709551615}");
  EXPECT_EQ(value->find("b")->as_int(), 1);
  EXPECT_EQ(value->find("big")->kind(), Json::Kind::kUint);
}

TEST(Json, DuplicateKeysKeepFirstPlaceAndLastValue) {
  auto value = parse_json(R"({"a":1,"b":2,"a":3,"c":{"x":1,"x":2}})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(to_json(*value), R"({"a":3,"b":2,"c":{"x":2}})");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"", "{", "[1,]", "nul", "{\"a\":1}x", "\"\xff\"", "\"\\ud800\"", "01", "NaN", "{'a':1}"}) {
    EXPECT_FALSE(parse_json(text).ok()) << text;
  }
}

TEST(Json, NestingLimitIsAnErrorNotACrash) {
  const std::string deep(100000, '[');
  auto value = parse_json(deep);
  ASSERT_FALSE(value.ok());
  std::string fits = std::string(60, '[') + std::string(60, ']');
  EXPECT_TRUE(parse_json(fits, 64).ok());
  EXPECT_FALSE(parse_json(fits, 32).ok());
}

TEST(Json, IntegersBeyond64BitsAreDoubles) {
  auto value = parse_json(R"({"123456789012345678901234567890":[-98765432109876543210, 18446744073709551615,
    18446744073709551616,"\"12345678901234567890",1.5,12345678901234567890.5]})");
  ASSERT_TRUE(value.ok()) << value.error().message;
  const Json* list = value->find("123456789012345678901234567890");
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->as_array()[0].as_double(), -98765432109876543210.0);
  EXPECT_EQ(list->as_array()[1].as_double(), 18446744073709551615.0);
  EXPECT_EQ(list->as_array()[2].as_double(), 18446744073709551616.0);
  EXPECT_EQ(list->as_array()[3].as_string(), "\"12345678901234567890");
  for (const char* bad :
       {"00123456789012345678901", "1234567890123456789012-", "[1e400]", "[+12345678901234567890123]"}) {
    EXPECT_FALSE(parse_json(bad).ok()) << bad;
  }
}

TEST(JsonWriter, InvalidUtf8BecomesReplacementCharacter) {
  EXPECT_EQ(to_json(Json(std::string("a\xff\xc3"))), "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(JsonWriter, DoublesReadBackTheSame) {
  for (double d : {0.1, 1e300, -2.5e-7, 3.0, 123456789.125}) {
    auto back = parse_json(to_json(Json(d)));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->kind(), Json::Kind::kDouble);
    EXPECT_EQ(back->as_double(), d);
  }
  EXPECT_EQ(to_json(Json(std::nan(""))), "null");
}

TEST(JsonWriter, BuildsNestedText) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().member("id", "x").key("list").begin_array().value(1).value(2.5).null().end_array();
  w.key("o").begin_object().end_object().member("t", true).end_object();
  EXPECT_EQ(out, R"({"id":"x","list":[1,2.5,null],"o":{},"t":true})");
}

TEST(Json, Indented) {
  EXPECT_EQ(to_json(*parse_json(R"({"a":[1],"b":{}})"), 2), "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
}

}  // namespace
}  // namespace hadal
