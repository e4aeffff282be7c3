#include "config/sglang_flags.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "base/file.h"
#include "config/flag_table.h"
#include "config/flags.h"

namespace hadal {
namespace {

Result<ParsedCommandLine> serve(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "serve");
  arguments.push_back("--model-path");
  arguments.push_back("/m");
  return parse_command_line(arguments, {});
}

std::vector<std::string> values_of(const std::string& kind) {
  if (kind == "none" || kind == "negatable") return {};
  if (kind == "numbers") return {"1", "2", "4", "8"};
  if (kind == "words") return {"a", "b"};
  return {"7"};
}

TEST(SglangFlags, TableIsConsistent) {
  std::set<std::string> seen;
  for (const SglangFlags& row : sglang_flags()) {
    EXPECT_GT(row.reason.text.size(), 10u) << row.names;
    EXPECT_NE(row.reason.text.back(), '.') << row.names;
    std::istringstream names{std::string(row.names)};
    for (std::string name; names >> name;) {
      EXPECT_TRUE(name.starts_with("--")) << name;
      EXPECT_TRUE(seen.insert(name).second) << name << " stands twice";
      EXPECT_EQ(find_flag(name, kForServe), nullptr) << name << " is a flag of hadal";
      EXPECT_EQ(find_sglang_flag(name).flag, &row) << name;
    }
    EXPECT_FALSE(row.names.empty() || row.names.ends_with(' '));
  }
}

// Each flag that SGLang has: supported, noted or refused with a reason, and its values go with it.
TEST(SglangFlags, EveryFlagOfSglangIsAnswered) {
  auto text = read_file(HADAL_SOURCE_DIR "/src/config/testdata/sglang_flags.txt");
  ASSERT_TRUE(text.ok());
  std::istringstream lines(*text);
  int num_flags = 0;
  for (std::string name, kind; lines >> name >> kind;) {
    ++num_flags;
    if (find_flag(name, kForServe) != nullptr) continue;
    const SglangMatch match = find_sglang_flag(name);
    ASSERT_NE(match.flag, nullptr) << name;
    std::vector<std::string> arguments{name};
    for (const std::string& value : values_of(kind)) arguments.push_back(value);
    auto parsed = serve(arguments);
    if (match.flag->reason.verdict == FlagVerdict::kUnneeded) {
      ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.error().message;
      ASSERT_EQ(parsed->settings.notes.size(), 1u) << name;
      EXPECT_EQ(parsed->settings.notes[0], name + " is not needed: " + std::string(match.flag->reason.text));
    } else {
      ASSERT_FALSE(parsed.ok()) << name;
      EXPECT_EQ(parsed.error().message, name + ": " + std::string(match.flag->reason.text));
    }
    if (kind != "negatable") continue;
    EXPECT_TRUE(serve({"--no-" + name.substr(2)}).ok()) << name;
  }
  EXPECT_GT(num_flags, 500);
}

TEST(SglangFlags, SeveralValuesAreConsumed) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"serve", "--cuda-graph-bs", "1", "2", "4", "8", "/m"},
        {"serve", "/m", "--cuda-graph-bs", "1", "2", "4", "8"},
        {"serve", "--cuda-graph-bs", "1", "2", "--port", "30000", "/m"},
        {"serve", "--cuda-graph-bs=1", "/m"},
        {"serve", "/m", "--allowed-media-domains", "a.org", "b.org", "--port", "30000"}}) {
    auto parsed = parse_command_line(arguments, {});
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(parsed->settings.engine.model_path, "/m");
    EXPECT_EQ(parsed->settings.server.port, 30000);
    EXPECT_EQ(parsed->settings.notes.size(), 1u);
  }
}

TEST(SglangFlags, ARefusedFlagMayAskForWhatHadalDoes) {
  for (const auto& [name, value] : {std::pair{"--dp-size", "1"},
                                    {"--pp-size", "1"},
                                    {"--ep", "1"},
                                    {"--disaggregation-mode", "null"},
                                    {"--moe-a2a-backend", "none"}}) {
    auto parsed = serve({name, value});
    EXPECT_TRUE(parsed.ok()) << name;
    EXPECT_FALSE(serve({name, "2"}).ok()) << name;
  }
}

}  // namespace
}  // namespace hadal
