#include "config/flags.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/file.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

GetEnv env(std::map<std::string, std::string> values = {}) {
  return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
    const auto it = values.find(std::string(name));
    return it == values.end() ? std::nullopt : std::optional<std::string>(it->second);
  };
}

Settings ok(const std::vector<std::string>& args, const GetEnv& e = env()) {
  auto parsed = parse_command_line(args, e);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed.ok() ? parsed->settings : Settings{};
}

std::string error_of(const std::vector<std::string>& args, const GetEnv& e = env()) {
  auto parsed = parse_command_line(args, e);
  EXPECT_FALSE(parsed.ok());
  return parsed.ok() ? "" : parsed.error().message;
}

TEST(Flags, SglangCommandCarriesOver) {
  const Settings s = ok({"serve",
                         "--model-path",
                         "/m",
                         "--tp",
                         "2",
                         "--host",
                         "0.0.0.0",
                         "--port=8000",
                         "--api-key",
                         "k1",
                         "--api-key",
                         "k2",
                         "--chunked-prefill-size",
                         "256",
                         "--mem-fraction-static",
                         "0.9",
                         "--trust-remote-code",
                         "--enable-metrics",
                         "--served-model-name",
                         "r1",
                         "--context-length",
                         "4096"});
  EXPECT_EQ(s.command, Command::kServe);
  EXPECT_EQ(s.engine.model_path, "/m");
  EXPECT_EQ(s.parallel.tp_size, 2);
  EXPECT_EQ(s.server.port, 8000);
  EXPECT_EQ(s.server.api_keys, (std::vector<std::string>{"k1", "k2"}));
  EXPECT_EQ(s.engine.chunked_prefill_size, 256);
  EXPECT_TRUE(s.server.enable_metrics);
  ASSERT_EQ(s.notes.size(), 2u);
  EXPECT_NE(s.notes[0].find("--mem-fraction-static is not needed"), std::string::npos) << s.notes[0];
}

TEST(Flags, LayersOverrideWhole) {
  EXPECT_FALSE(ok({"serve", "/m", "--enable-metrics=false"}).server.enable_metrics);
  EXPECT_EQ(ok({"serve", "--enable-metrics", "/m"}).engine.model_path, "/m");
  EXPECT_EQ(ok({"serve", "--trust-remote-code", "/m"}).engine.model_path, "/m");
  const std::string path = testing::TempDir() + "/hadal_flags_test.yaml";
  ASSERT_TRUE(
      write_file(path,
                 "port: 1000\ntp_size: 4\napi-key: [a, b]\nserved-model-name: one\nenable-metrics: false\n")
          .ok());
  const auto e = env({{"HADAL_PORT", "2000"}, {"HADAL_API_KEY", "c,d"}});
  const Settings s = ok({"serve", "/m", "--config", path, "--served-model-name", "two"}, e);
  EXPECT_EQ(s.server.port, 2000);
  EXPECT_EQ(s.parallel.tp_size, 4);
  EXPECT_EQ(s.server.api_keys, (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(s.server.served_model_names, std::vector<std::string>{"two"});
  EXPECT_FALSE(s.server.enable_metrics);
  EXPECT_EQ(ok({"serve", "/m", "--config", path, "--port", "3000"}, e).server.port, 3000);
  ASSERT_TRUE(write_file(path, "prot: 1\n").ok());
  EXPECT_NE(error_of({"serve", "/m", "--config", path}).find("did you mean --port"), std::string::npos);
  ASSERT_TRUE(write_file(path, "port: [1, 2]\n").ok());
  EXPECT_NE(error_of({"serve", "/m", "--config", path}).find("\"port\""), std::string::npos);
}

TEST(Flags, ErrorsNameFlagAndFix) {
  EXPECT_NE(error_of({"serve"}).find("needs a model"), std::string::npos);
  EXPECT_NE(
      error_of({"serve", "/m", "--max-runing-requests", "3"}).find("did you mean --max-running-requests"),
      std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--port", "x"}).find("--port"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--port", "70000"}).find("0 to 65535"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--dp", "2"}).find("several servers"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--nnodes", "2", "--tp", "2"}).find("--dist-init-addr"),
            std::string::npos);
  EXPECT_NE(
      error_of({"serve", "/m", "--nnodes", "2", "--tp", "3", "--dist-init-addr", "a:1"}).find("multiple"),
      std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "/n"}).find("/n"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--kv-cache-dtype", "int3"}).find("bf16"), std::string::npos);
  EXPECT_NE(error_of({"frobnicate"}).size(), 0u);
  EXPECT_EQ(error_of({"serve", "/m", "--api-key", "secret key"}).find("secret"), std::string::npos);
}

TEST(Flags, HelpListsEveryFlagOfItsCommand) {
  for (const auto& [name, mask] : {std::pair{"serve", kForServe}, std::pair{"chat", kForChat}}) {
    auto parsed = parse_command_line({name, "--help"}, env());
    ASSERT_TRUE(parsed.ok() && parsed->print.has_value());
    for (const FlagSpec& flag : flag_table()) {
      const std::string key = "--" + std::string(flag_key(flag));
      const bool listed = parsed->print->find(key) != std::string::npos;
      EXPECT_TRUE(listed || (flag.commands & mask) == 0) << name << " " << key;
    }
  }
  auto top = parse_command_line({"--help"}, env());
  ASSERT_TRUE(top.ok() && top->print.has_value());
  EXPECT_NE(top->print->find("serve"), std::string::npos);
}

TEST(Flags, NoNameStandsTwice) {
  std::set<std::string> seen;
  const auto add = [&](std::string_view name) { EXPECT_TRUE(seen.insert(std::string(name)).second) << name; };
  for (const FlagSpec& flag : flag_table()) {
    std::string_view names = flag.names;
    while (true) {
      const size_t comma = names.find(',');
      add(names.substr(0, comma));
      if (comma == std::string_view::npos) break;
      names.remove_prefix(comma + 1);
    }
  }
  for (const UnneededFlag& flag : unneeded_flags()) add(flag.name);
  for (const RefusedFlag& flag : refused_flags()) add(flag.name);
}

TEST(Flags, ChatTakesModelOrUrl) {
  const Settings s = ok({"chat", "http://127.0.0.1:1", "--system", "be brief", "-p", "hi", "-p", "and?"});
  EXPECT_EQ(s.chat.target, "http://127.0.0.1:1");
  EXPECT_EQ(s.chat.prompts.size(), 2u);
  EXPECT_NE(error_of({"chat"}).find("MODEL|URL"), std::string::npos);
}

TEST(Flags, DocsAreCurrent) {
  auto text = read_file(HADAL_SOURCE_DIR "/docs/flags.md");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, flags_markdown()) << "run build/release/hadal_flags_doc > docs/flags.md";
}

TEST(ApiKeys, FileIsReadAndNeverEmpty) {
  const std::string path = testing::TempDir() + "/hadal_keys";
  ASSERT_TRUE(write_file(path, "# team a\nabc\n\n  def \n").ok());
  ServerConfig config;
  config.api_key_file = path;
  ASSERT_TRUE(load_api_keys(config).ok());
  EXPECT_EQ(config.api_keys, (std::vector<std::string>{"abc", "def"}));
  ASSERT_TRUE(write_file(path, "# nothing\n").ok());
  EXPECT_FALSE(load_api_keys(config).ok());
  ASSERT_TRUE(write_file(path, "two words\n").ok());
  const Status bad = load_api_keys(config);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().message.find("two words"), std::string::npos);
}

}  // namespace
}  // namespace hadal
