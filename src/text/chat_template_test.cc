#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace hadal {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Json read_goldens(const std::string& name) {
  auto json = parse_json(read_file(HADAL_SOURCE_DIR "/src/text/testdata/" + name));
  HADAL_CHECK(json.ok()) << json.error().message;
  return *json;
}

std::string fnv1a(std::string_view s) {
  uint64_t h = 0xCBF29CE484222325ull;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
  return text;
}

TimePoint at_seconds(int64_t seconds) {
  return TimePoint(std::chrono::seconds(seconds));
}

Result<std::string> render(std::string_view source, const Json& variables, int64_t now = 0) {
  HADAL_ASSIGN(auto parsed, ChatTemplate::parse(source));
  return parsed->render(variables, at_seconds(now));
}
Result<std::string> render(std::string_view source) {
  return render(source, Json(JsonObject{}));
}

class ChatTemplateGoldens : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);  // strftime_now prints local time; the goldens were made in UTC
    tzset();
  }
};

TEST_F(ChatTemplateGoldens, SnippetsRenderAsJinja2) {
  const Json goldens = read_goldens("jinja_goldens.json");
  const Json& context = *goldens.find("context");
  ASSERT_GT(goldens.find("cases")->as_array().size(), 1300u);
  for (const Json& one : goldens.find("cases")->as_array()) {
    const std::string& source = one.find("t")->as_string();
    const auto text = render(source, context, goldens.find("now")->as_int());
    if (const Json* expected = one.find("o")) {
      EXPECT_TRUE(text.ok()) << source << "\n" << (text.ok() ? "" : text.error().message);
      if (text.ok()) {
        EXPECT_EQ(*text, expected->as_string()) << source;
      }
    } else {
      EXPECT_FALSE(text.ok()) << source << "\nJinja2: " << one.find("e")->as_string() << "\ngot: " << *text;
    }
  }
}

TEST_F(ChatTemplateGoldens, RealTemplatesRenderAsJinja2) {
  std::string folder = HADAL_SOURCE_DIR "/../shared/chat-templates";
  if (!std::filesystem::exists(folder)) folder = HADAL_SOURCE_DIR "/../../shared/chat-templates";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "needs the templates of real models in ../shared/chat-templates";
  const Json goldens = read_goldens("template_goldens.json");
  int compared = 0;
  for (const auto& [name, golden] : goldens.find("templates")->as_object()) {
    const std::string source = read_file(folder + "/" + name);
    if (fnv1a(source) != golden.find("hash")->as_string()) {
      ADD_FAILURE() << name
                    << " is not the template that the goldens were made from; run "
                       "tools/golden/make_template_goldens.py";
      continue;
    }
    const auto parsed = ChatTemplate::parse(source);
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.error().message;
    for (const auto& [context_name, expected] : golden.find("results")->as_object()) {
      const Json& context = *goldens.find("contexts")->find(context_name);
      const auto text = (*parsed)->render(context, at_seconds(goldens.find("now")->as_int()));
      ++compared;
      if (expected.is_object()) {
        EXPECT_FALSE(text.ok()) << name << " " << context_name << ": Jinja2 raises "
                                << expected.find("e")->as_string();
        continue;
      }
      ASSERT_TRUE(text.ok()) << name << " " << context_name << ": " << text.error().message;
      EXPECT_EQ(static_cast<int64_t>(text->size()), expected.as_array()[0].as_int())
          << name << " " << context_name << "\n"
          << *text;
      EXPECT_EQ(fnv1a(*text), expected.as_array()[1].as_string()) << name << " " << context_name << "\n"
                                                                  << *text;
    }
  }
  EXPECT_GE(compared, 1300);
}

TEST(ChatTemplate, RaiseExceptionSpeaksForItself) {
  const auto text = render("{{ raise_exception('roles must alternate') }}");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(text.error().message, "roles must alternate");
}

TEST(ChatTemplate, ErrorsNameTheLineAndThePythonError) {
  const auto text = render("a\nb\n{{ 'x' + 1 }}");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().message,
            "chat template: TypeError: can only concatenate str (not \"int\") to str (line 3)");
  const auto parsed = ChatTemplate::parse("a\n{% if %}");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(parsed.error().message.find("(line 2)"), std::string::npos) << parsed.error().message;
  EXPECT_FALSE(render("x", Json(5)).ok());
}

TEST(ChatTemplate, HostileTemplatesEndInErrors) {
  for (const char* source : {
           "{{ range(10**9) }}",
           "{{ 'a' * 10**9 }}",
           "{{ [0] * 10**9 }}",
           "{{ 2 ** 1000 }}",
           "{{ 'x' * 1000000 * 1000000 }}",
           "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
           "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
           "{% for a in range(99999) %}{{ 'x' * 100000 }}{% endfor %}",
           "{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
           "{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
           "{% set n = namespace(l=[1]) %}{% for a in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
           "{% set n = namespace(l=[]) %}{% for a in range(9999) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l "
           "}}",
           "{% set n = namespace(l=[]) %}{% for a in range(9999) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l "
           "== [n.l] }}{{ n.l|tojson }}",
           "{{ 'a'.ljust(10**12) }}",
           "{{ '%999999999d' % 1 }}",
           "{{ '{:999999999}'.format(1) }}",
           "{{ 'aaaa'.replace('', 'x' * 60000000) }}",
           "{{ '\\t\\t\\t'.expandtabs(10**9) }}",
           "{{ [1]|batch(10**9, 'x')|list }}",
           "{{ 'x'|indent(10**9, true) }}",
           "{{ [[1]]|tojson(indent=10**9) }}",
           "{{ 'x'|center(10**9) }}",
           "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
           "{{ range(100000)|map('string')|sort|list|map('center', 60000)|list }}",
       }) {
    EXPECT_FALSE(render(source).ok()) << source;
  }
}

TEST(ChatTemplate, DeepNestingIsRefusedNotFollowed) {
  const auto many = [](const std::string& s, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += s;
    return out;
  };
  constexpr int kDeep = 50000;
  EXPECT_FALSE(render("{{ " + many("(", kDeep) + "1" + many(")", kDeep) + " }}").ok());
  EXPECT_FALSE(render("{{ " + many("[", kDeep) + many("]", kDeep) + " }}").ok());
  EXPECT_FALSE(render("{{ " + many("not ", kDeep) + "1 }}").ok());
  EXPECT_FALSE(render("{{ " + many("-", kDeep) + "1 }}").ok());
  EXPECT_FALSE(render("{{ 1" + many(" + 1", kDeep) + " }}").ok());
  EXPECT_FALSE(render("{{ a" + many(".a", kDeep) + " }}").ok());
  EXPECT_FALSE(render("{{ 1" + many("|abs", kDeep) + " }}").ok());
  EXPECT_FALSE(render("{{ " + many("1 if 1 else ", kDeep) + "1 }}").ok());
  EXPECT_FALSE(render(many("{% if 1 %}", kDeep) + many("{% endif %}", kDeep)).ok());
  EXPECT_FALSE(render(many("{% for a in [1] %}", kDeep) + many("{% endfor %}", kDeep)).ok());
  EXPECT_TRUE(render("{{ 1" + many(" ~ 1", kDeep) + " }}").ok());
}

TEST(ChatTemplate, LongTextsAreBuiltInLinearMemory) {
  const auto text = render(
      "{% set n = namespace(s='') %}{% for a in range(20000) %}{% set n.s = n.s + 'abcdefghij' ~ "
      "'0123456789' %}{% endfor %}{{ n.s|length }}");
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(*text, "400000");
}

TEST(ChatTemplate, StringsThatShareMemoryStayApart) {
  const auto text = render(
      "{% set a = 'x' + 'y' %}{% set b = a + '1' %}{% set c = a + '2' %}{% set d = b + '3' %}{{ a }} {{ b }} "
      "{{ c }} {{ d }}");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "xy xy1 xy2 xy13");
}

TEST(ChatTemplate, AnyThreadMayRender) {
  const auto parsed =
      ChatTemplate::parse("{% for m in messages %}{{ m.content|upper }}{{ loop.index }}{% endfor %}");
  ASSERT_TRUE(parsed.ok());
  const auto variables = parse_json(R"({"messages": [{"content": "a"}, {"content": "é"}]})");
  ASSERT_TRUE(variables.ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        const auto text = (*parsed)->render(*variables, at_seconds(0));
        EXPECT_TRUE(text.ok() && *text == "A1É2");
      }
    });
  }
  for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace hadal
