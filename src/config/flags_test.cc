#include "config/flags.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/file.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

Settings ok(const std::vector<std::string>& args, const Environment& e = {}) {
  auto parsed = parse_command_line(args, e);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed.ok() ? parsed->settings : Settings{};
}

std::string error_of(const std::vector<std::string>& args, const Environment& e = {}) {
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
  const Environment e{{"HADAL_PORT", "2000"}, {"HADAL_API_KEY", "c,d"}};
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
  EXPECT_NE(error_of({"serve", "/m", "--dp", "2"}).find("several servers"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--nnodes", "2", "--tp", "2"}).find("--dist-init-addr"),
            std::string::npos);
  EXPECT_NE(
      error_of({"serve", "/m", "--nnodes", "2", "--tp", "3", "--dist-init-addr", "a:1"}).find("multiple"),
      std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "/n"}).find("/n"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--kv-cache-dtype", "int3"}).find("bf16"), std::string::npos);
  EXPECT_NE(error_of({"frobnicate"}).find("hadal --help"), std::string::npos);
}

TEST(Flags, HelpListsEveryFlagOfItsCommand) {
  for (const auto& [name, mask] : {std::pair{"serve", kForServe}, std::pair{"chat", kForChat}}) {
    auto parsed = parse_command_line({name, "--help"}, {});
    ASSERT_TRUE(parsed.ok() && parsed->print.has_value());
    for (const FlagSpec& flag : flag_table()) {
      const std::string key = "--" + std::string(flag_key(flag));
      const bool listed = parsed->print->find(key) != std::string::npos;
      EXPECT_TRUE(listed || (flag.commands & mask) == 0) << name << " " << key;
    }
  }
  auto top = parse_command_line({"--help"}, {});
  ASSERT_TRUE(top.ok() && top->print.has_value());
  EXPECT_NE(top->print->find("serve"), std::string::npos);
}

TEST(Flags, NoNameStandsTwice) {
  for (unsigned command : {kForServe, kForChat}) {
    std::set<std::string_view> seen;
    for (const FlagSpec& flag : flag_table()) {
      if ((flag.commands & command) == 0) continue;
      for (std::string_view name : flag_names(flag)) EXPECT_TRUE(seen.insert(name).second) << name;
    }
  }
  // Flags of two commands may share a variable; each command takes its own.
  std::map<std::string, unsigned> variables;
  for (const FlagSpec& flag : flag_table()) {
    unsigned& commands = variables[flag_environment_name(flag)];
    EXPECT_EQ(commands & flag.commands, 0u) << flag_environment_name(flag);
    commands |= flag.commands;
  }
}

TEST(Flags, ChatTakesModelOrUrl) {
  const Settings s = ok({"chat", "http://127.0.0.1:1", "--system", "be brief", "-p", "hi", "-p", "and?"});
  EXPECT_EQ(s.chat.target, "http://127.0.0.1:1");
  EXPECT_EQ(s.chat.prompts.size(), 2u);
  EXPECT_NE(error_of({"chat"}).find("MODEL|URL"), std::string::npos);
}

// Whether some note holds the text.
bool noted(const Settings& settings, const std::string& text) {
  for (const std::string& note : settings.notes) {
    if (note.find(text) != std::string::npos) return true;
  }
  return false;
}

// What Kubernetes puts into every pod beside a Service named "hadal", and one named "hadal-r1".
TEST(Flags, KubernetesServiceLinksAreNoSettings) {
  const Environment links{{"HADAL_PORT", "tcp://10.0.0.1:30000"},
                          {"HADAL_SERVICE_HOST", "10.0.0.1"},
                          {"HADAL_SERVICE_PORT", "30000"},
                          {"HADAL_SERVICE_PORT_HTTP", "30000"},
                          {"HADAL_PORT_30000_TCP", "tcp://10.0.0.1:30000"},
                          {"HADAL_PORT_30000_TCP_PROTO", "tcp"},
                          {"HADAL_PORT_30000_TCP_PORT", "30000"},
                          {"HADAL_PORT_30000_TCP_ADDR", "10.0.0.1"},
                          {"HADAL_R1_PORT", "tcp://10.0.0.2:30000"},
                          {"HADAL_R1_SERVICE_HOST", "10.0.0.2"},
                          {"HADAL_R1_PORT_53_UDP", "udp://10.0.0.2:53"}};
  const Settings s = ok({"serve", "/m"}, links);
  EXPECT_EQ(s.server.port, 30000);
  ASSERT_EQ(s.notes.size(), 1u) << s.notes[1];
  EXPECT_NE(s.notes[0].find("HADAL_PORT=tcp://10.0.0.1:30000 is a Kubernetes service link"),
            std::string::npos);
  EXPECT_EQ(ok({"serve", "/m"}, {{"HADAL_PORT", "4000"}}).server.port, 4000);
  // Only names that Kubernetes makes.
  EXPECT_EQ(ok({"serve", "/m"}, {{"HADAL_DIST_INIT_ADDR", "tcp://h:1"}}).parallel.dist_init_addr,
            "tcp://h:1");
}

TEST(Flags, ErrorsSayWhereTheValueWasSet) {
  const std::string path = testing::TempDir() + "/origin.yaml";
  EXPECT_EQ(error_of({"serve", "/m", "--port", "x"}),
            "command line: --port: \"x\" is not a whole number in range");
  EXPECT_EQ(error_of({"serve", "/m"}, {{"HADAL_PORT", "x"}}),
            "environment: HADAL_PORT: \"x\" is not a whole number in range");
  ASSERT_TRUE(write_file(path, "# ports\nport: x\n").ok());
  EXPECT_EQ(error_of({"serve", "/m", "--config", path}),
            path + ":2: port: \"x\" is not a whole number in range");
  EXPECT_EQ(error_of({"serve", "/m"}, {{"HADAL_CONFIG", path}}),
            path + ":2: port: \"x\" is not a whole number in range");
  // Checks of all settings together too.
  EXPECT_NE(error_of({"serve", "/m"}, {{"HADAL_PAGE_SIZE", "4096"}}).find("(environment: HADAL_PAGE_SIZE)"),
            std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--port", "70000"}).find("(command line: --port)"), std::string::npos);
  ASSERT_TRUE(write_file(path, "cors_allow_origin: nonsense\n").ok());
  EXPECT_NE(error_of({"serve", "/m", "--config", path}).find("origin.yaml:1: cors_allow_origin"),
            std::string::npos);
  // Never a secret.
  const std::string secret = error_of({"serve", "/m", "--api-key", ""});
  EXPECT_EQ(secret, "command line: --api-key: bad value");
}

TEST(Flags, CountsOfTokensTakeSuffixes) {
  const std::pair<const char*, int64_t> good[] = {
      {"32768", 32768}, {"32k", 32000},   {"32Ki", 32768}, {"25.6k", 25600}, {"1.048576M", 1 << 20},
      {"1M", 1000000},  {"1Mi", 1 << 20}, {"0k", 0},       {"0.001k", 1},    {"0", 0}};
  for (const auto& [text, value] : good) {
    EXPECT_EQ(ok({"serve", "/m", "--context-length", text}).engine.context_length, value) << text;
    EXPECT_EQ(ok({"serve", "/m"}, {{"HADAL_MAX_TOTAL_TOKENS", text}}).engine.max_total_tokens, value) << text;
  }
  EXPECT_EQ(ok({"serve", "/m", "--max-total-tokens", "1Gi"}).engine.max_total_tokens, int64_t{1} << 30);
  EXPECT_EQ(ok({"serve", "/m", "--chunked-prefill-size", "8Ki"}).engine.chunked_prefill_size, 8192);
  EXPECT_EQ(ok({"serve", "/m", "--chunked-prefill-size", "-1"}).engine.chunked_prefill_size, -1);
  EXPECT_EQ(ok({"chat", "/m", "--max-tokens", "2k"}).chat.max_tokens, 2000);
  const std::string path = testing::TempDir() + "/tokens.yaml";
  ASSERT_TRUE(write_file(path, "context-length: 16Ki\nmax-total-tokens: 64k\n").ok());
  EXPECT_EQ(ok({"serve", "/m", "--config", path}).engine.context_length, 16384);
  EXPECT_EQ(ok({"serve", "/m", "--config", path}).engine.max_total_tokens, 64000);

  for (const char* bad : {"32K",         "1m",   "32ki", "32KI", "1.5Ki",
                          "1.0005k",     "k",    ".5k",  "1.k",  "1..5k",
                          "-1k",         "+1k",  "1 k",  " 1k",  "1k ",
                          "1kk",         "0x1k", "1e3k", "1e3",  "99999999999999999999k",
                          "9300000000G", "1T",   "1.5",  ""}) {
    const std::string error = error_of({"serve", "/m", "--max-total-tokens", bad});
    EXPECT_EQ(error.find("command line: --max-total-tokens: \"" + std::string(bad) +
                         "\" is not a number of tokens"),
              0u)
        << bad << ": " << error;
    EXPECT_NE(error.find("32Ki (32768)"), std::string::npos) << error;
  }
  // What a step can hold is an int.
  EXPECT_NE(error_of({"serve", "/m", "--chunked-prefill-size", "4Gi"}).find("in range"), std::string::npos);
  // Other counts are plain.
  EXPECT_NE(error_of({"serve", "/m", "--port", "30k"}).find("whole number"), std::string::npos);
}

TEST(Flags, ServerSettingsAreCheckedBeforeAnythingStarts) {
  EXPECT_NE(error_of({"serve", "/m", "--api-key-file", "/no/keys"}).find("--api-key-file: there is no file"),
            std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--ssl-certfile", "/no/c"}).find("--ssl-keyfile"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--io-threads", "0"}).find("--io-threads is 0"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--chat-template", "/no/t"}).find("--chat-template"), std::string::npos);
  const std::string parser = error_of({"serve", "/m", "--reasoning-parser", "gpt"});
  EXPECT_NE(parser.find("deepseek-r1, deepseek-v3, qwen3, none"), std::string::npos) << parser;
  EXPECT_EQ(ok({"serve", "/m", "--reasoning-parser", "auto"}).server.reasoning_parser, "auto");
  for (std::string_view name : kReasoningParsers) {
    EXPECT_NE(flags_markdown().find(name), std::string::npos) << name;
  }
}

TEST(Flags, UnknownVariablesAreNoted) {
  const Settings s = ok({"serve", "/m"}, {{"HADAL_CONTEXT_LENGHT", "100"},
                                          {"HADAL_TEST_MODEL", "/x"},
                                          {"HADAL_SYSTEM", "of hadal chat"},
                                          {"HADAL_MEM_FRACTION_STATIC", "0.9"}});
  ASSERT_EQ(s.notes.size(), 2u);
  EXPECT_TRUE(noted(
      s, "HADAL_CONTEXT_LENGHT is no setting of hadal and is ignored: did you mean HADAL_CONTEXT_LENGTH?"));
  EXPECT_TRUE(noted(s, "HADAL_MEM_FRACTION_STATIC is not needed"));
  EXPECT_TRUE(noted(ok({"serve", "/m"}, {{"HADAL_XYZZY", "1"}}),
                    "HADAL_XYZZY is no setting of hadal and is ignored"));
  EXPECT_TRUE(noted(ok({"serve", "/m"}, {{"HADAL_API_KEY", ""}}), "HADAL_API_KEY is empty"));
  EXPECT_NE(error_of({"serve", "/m"}, {{"HADAL_DP_SIZE", "2"}}).find("environment: HADAL_DP_SIZE"),
            std::string::npos);
  // Every name of a flag is a variable, and two of one flag are a mistake.
  EXPECT_EQ(ok({"serve", "/m"}, {{"HADAL_TP_SIZE", "2"}}).parallel.tp_size, 2);
  EXPECT_NE(error_of({"serve", "/m"}, {{"HADAL_TP_SIZE", "2"}, {"HADAL_TP", "2"}}).find("HADAL_TP"),
            std::string::npos);
  // The server's keys are not for other people's servers.
  EXPECT_EQ(ok({"chat", "http://x"}, {{"HADAL_API_KEY", "k"}}).chat.api_key, "");
}

TEST(Flags, ConfigFileIsFlatAndChecked) {
  const std::string path = testing::TempDir() + "/flat.yaml";
  const auto with = [&](const std::string& text) {
    EXPECT_TRUE(write_file(path, text).ok());
    return std::vector<std::string>{"serve", "/m", "--config", path};
  };
  const Settings s =
      ok(with("api_key: [a, 007]\nenable-metrics: false\nlog_requests: off\ntp-size: 2\n"
              "queue-timeout: 1.5\nserved-model-name: \"1.10\"\ncuda-graph-bs: [1, 2]\n"));
  EXPECT_EQ(s.server.api_keys, (std::vector<std::string>{"a", "007"}));
  EXPECT_FALSE(s.server.enable_metrics);
  EXPECT_FALSE(s.server.access_log);
  EXPECT_EQ(s.parallel.tp_size, 2);
  EXPECT_EQ(s.engine.queue_timeout, 1.5);
  EXPECT_EQ(s.server.served_model_names, std::vector<std::string>{"1.10"});
  EXPECT_TRUE(noted(s, "flat.yaml:7: cuda-graph-bs is not needed"));
  const std::pair<const char*, const char*> bad[] = {
      {"port: 1\nport: 2\n", "line 2: \"port\" stands in line 1 already"},
      {"tp: 1\ntp-size: 2\n", "flat.yaml:2: \"tp-size\" is the same setting as"},
      {"server:\n  port: 1\n", "line 1: \"server\" is a group of keys"},
      {"host: [a, b]\n", "flat.yaml:1: \"host\" takes one value, not a list"},
      {"\nport:\n", "flat.yaml:2: \"port\" has no value"},
      {"prot: 1\n", "flat.yaml:1: unknown flag prot: did you mean --port?"},
      {"temperature: 1\n", "flat.yaml:1: temperature is a flag of hadal chat"},
      {"speculative-algorithm: EAGLE\n", "flat.yaml:1: speculative-algorithm: speculative decoding"},
      {"config: other.yaml\n", "flat.yaml:1: a settings file cannot name another"},
      {"- a\n", "key: value"},
      {"port: [1\n", "line 2"},
  };
  for (const auto& [text, message] : bad) {
    const std::string error = error_of(with(text));
    EXPECT_NE(error.find(message), std::string::npos) << text << error;
  }
  EXPECT_NE(error_of({"serve", "/m", "--config", "/no/file"}).find("/no/file"), std::string::npos);
}

TEST(Flags, ValuesAndFlagsAreToldApart) {
  EXPECT_EQ(ok({"serve", "/m", "--chunked-prefill-size", "-1"}).engine.chunked_prefill_size, -1);
  EXPECT_EQ(ok({"chat", "/m", "--system", "- be brief"}).chat.system_prompt, "- be brief");
  EXPECT_EQ(ok({"chat", "/m", "--system=--x"}).chat.system_prompt, "--x");
  EXPECT_EQ(ok({"chat", "-p", "a", "--", "-m"}).chat.target, "-m");
  EXPECT_NE(error_of({"serve", "/m", "--port"}).find("--port needs a value: --port PORT"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--host", "--port", "1"}).find("--host needs a value"),
            std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--model-path", "/n"}).find("two models"), std::string::npos);
  EXPECT_NE(error_of({"serve", "/m", "--temperature", "1"}).find("a flag of hadal chat"), std::string::npos);
}

TEST(Flags, ChatTakesTheServersKeyAndCertificates) {
  EXPECT_EQ(ok({"chat", "http://x", "--api-key", "k"}).chat.api_key, "k");
  const Settings s =
      ok({"chat", "https://x", "--tls-ca-file", "/ca", "--insecure"}, {{"HADAL_CHAT_API_KEY", "e"}});
  EXPECT_EQ(s.chat.api_key, "e");
  EXPECT_EQ(s.chat.tls_ca_file, "/ca");
  EXPECT_TRUE(s.chat.insecure);
}

TEST(Flags, CommandsAndHelp) {
  const auto printed = [](const std::vector<std::string>& args, int width = 80) {
    auto parsed = parse_command_line(args, {}, width);
    EXPECT_TRUE(parsed.ok() && parsed->print.has_value());
    return parsed.ok() ? parsed->print.value_or("") : "";
  };
  EXPECT_EQ(printed({"version"}), printed({"--version"}));
  EXPECT_EQ(printed({"help", "serve"}), printed({"serve", "--port", "1", "-h"}));
  EXPECT_NE(printed({"serve", "--help"}).find("Usage: hadal serve MODEL"), std::string::npos);
  EXPECT_NE(printed({"serve", "--help"}).find("[default: 30000; env: HADAL_PORT]"), std::string::npos);
  for (const int width : {60, 100}) {
    const std::string help = printed({"chat", "--help"}, width);
    for (size_t begin = 0; begin < help.size();) {
      const size_t end = help.find('\n', begin);
      // Names stay whole, as do defaults with their variables.
      if (help.compare(begin, 10, "          ") == 0 && help.find('[', begin) > end) {
        EXPECT_LE(end - begin, static_cast<size_t>(width));
      }
      begin = end + 1;
    }
  }
  EXPECT_NE(error_of({}).find("hadal --help"), std::string::npos);
  EXPECT_NE(error_of({"sevre", "/m"}).find("did you mean hadal serve?"), std::string::npos);
  EXPECT_NE(error_of({"version", "--foo"}).find("hadal version takes none"), std::string::npos);
  EXPECT_NE(error_of({"deploy", "logs", "x", "--rank", "x"}).find("0/1"), std::string::npos);
  EXPECT_NE(error_of({"deploy", "logs", "x", "--rank", "1/"}).find("--rank is \"1/\""), std::string::npos);
  EXPECT_EQ(ok({"deploy", "logs", "x", "--rank", "0/1", "--rank", "7"}).cluster.ranks.size(), 2u);
  EXPECT_NE(error_of({"./model.gguf"}).find("hadal serve ./model.gguf"), std::string::npos);
  for (const char* later : {"bench", "route"}) {
    EXPECT_NE(error_of({later, "x"}).find("is not in this version"), std::string::npos) << later;
  }
}

TEST(Flags, DocsAreCurrent) {
  auto text = read_file(HADAL_SOURCE_DIR "/docs/flags.md");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, flags_markdown()) << "run build/release/hadal_flags_doc > docs/flags.md";
}

TEST(Flags, TimesAreSecondsOrHaveAUnit) {
  const std::pair<const char*, int64_t> good[] = {{"2.5", 2500},      {"0", 0},         {"500ms", 500},
                                                  {"90s", 90'000},    {"1.5m", 90'000}, {"24h", 86'400'000},
                                                  {"2d", 172'800'000}};
  for (const auto& [text, ms] : good) {
    EXPECT_EQ(ok({"serve", "/m", "--drain-timeout", text}).server.drain_timeout.count(), ms) << text;
    EXPECT_EQ(ok({"serve", "/m", "--queue-timeout", text}).engine.queue_timeout, double(ms) / 1000) << text;
  }
  for (const char* bad : {"-1", "-1s", "s", "h", "1 h", "1y", "1hs", "1e300d", "nan", "inf", "5mm", ""})
    EXPECT_NE(error_of({"serve", "/m", "--drain-timeout", bad}).find("--drain-timeout"), std::string::npos)
        << bad;
}

TEST(Flags, EveryTimeTakesAUnit) {
  int num_times = 0;
  for (const FlagSpec& flag : flag_table()) {
    EXPECT_NE(flag.metavar, "SECONDS") << flag.names;
    if (flag.metavar != "DURATION") continue;
    ++num_times;
    for (const char* text : {"90s", "15m", "500ms"}) {
      Settings settings;
      EXPECT_TRUE(flag.set(settings, text).ok()) << flag.names << " " << text;
    }
  }
  EXPECT_GT(num_times, 10);
}

}  // namespace
}  // namespace hadal
