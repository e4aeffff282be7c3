// validate_soak: the validator and its fixes on mutated manifests, in one process and without a sanitizer, so
// that a million take minutes. Prints inputs a second and the slowest; an input over the limit, or a crash,
// leaves the input in a file.
//
//   build/release/bench/validate_soak COUNT SEED FILE.yaml...
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "deploy/validate.h"
#include "deploy/validate/fix.h"
#include "deploy/validate/schema.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned kLimitSeconds = 10;
constexpr char kCrashFile[] = "validate_soak.input.yaml";

// Tokens that YAML, JSON, quantities, CEL and shells take to heart.
const char* const kTokens[] = {"\t",
                               "- ",
                               ": ",
                               "{",
                               "}",
                               "[",
                               "]",
                               "'",
                               "\"",
                               "|\n",
                               ">-\n",
                               "&a ",
                               "*a ",
                               "<<: ",
                               "---\n",
                               "...\n",
                               "~",
                               "null",
                               "true",
                               "\"1\"",
                               "-1",
                               "1e999",
                               "0x10",
                               "1Gi",
                               "500m",
                               "9999999999999999999",
                               "# ",
                               "!!str ",
                               "!!binary ",
                               "%YAML 1.2\n",
                               "${A:-B}",
                               "$(",
                               "{{.Name}}",
                               "\xff",
                               "\xe2\x80\xa8",
                               "\r\n",
                               "nvidia.com/gpu",
                               "../..",
                               "\\",
                               "?  "};

std::vector<std::string> documents_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find("\n---", at);
    end = end == std::string::npos ? text.size() : end + 1;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

class Mutator {
 public:
  Mutator(uint64_t seed, std::vector<std::string> corpus) : random_(seed), corpus_(std::move(corpus)) {}

  std::string next() {
    std::string text = any_document();
    if (pick(4) == 0) text += any_document();
    // Half of them stay YAML for the most part, so that what comes after the reader sees them.
    if (pick(2) == 0) {
      for (size_t left = 1 + pick(4); left > 0; --left) change_value(text);
    } else {
      for (size_t left = 1 + pick(6); left > 0; --left) mutate(text);
    }
    return text;
  }

 private:
  size_t pick(size_t n) { return n == 0 ? 0 : random_() % n; }
  const std::string& any_document() { return corpus_[pick(corpus_.size())]; }

  // Begin and length of a line.
  std::pair<size_t, size_t> line(const std::string& text) {
    size_t begin = pick(text.size());
    begin = begin == 0 ? 0 : text.rfind('\n', begin - 1) + 1;  // npos + 1 is 0
    const size_t end = std::min(text.find('\n', begin), text.size() - 1);
    return {begin, end - begin + 1};
  }

  // The value of a key becomes that of any other key, or a line goes.
  void change_value(std::string& text) {
    if (text.empty()) return;
    const auto [begin, size] = line(text);
    const std::string& other = any_document();
    const size_t colon = text.find(": ", begin);
    if (pick(5) == 0 || other.empty() || colon == std::string::npos || colon >= begin + size) {
      text.erase(begin, size);
      return;
    }
    const auto [from, count] = line(other);
    const std::string value = other.substr(from, count);
    const size_t at = value.find(": ");
    if (at == std::string::npos) return;
    text.replace(colon + 2, begin + size - colon - 2, value, at + 2, std::string::npos);
  }

  void mutate(std::string& text) {
    if (text.empty()) return;
    const auto [begin, size] = line(text);
    const std::string whole = text.substr(begin, size);
    switch (pick(9)) {
      case 0:
        text[pick(text.size())] = static_cast<char>(random_());
        break;
      case 1:
        text.erase(begin, size);
        break;
      case 2:
        text.insert(begin, whole);
        break;
      case 3:
        text.insert(begin, std::string(1 + pick(4), ' '));
        break;
      case 4:
        if (text[begin] == ' ') text.erase(begin, std::min(size - 1, 1 + pick(4)));
        break;
      case 5:
        text.insert(pick(text.size()), kTokens[pick(std::size(kTokens))]);
        break;
      case 6:  // another value for a key
        if (const size_t colon = whole.find(": "); colon != std::string::npos)
          text.replace(begin + colon + 2, size - colon - 2 - (whole.back() == '\n' ? 1 : 0),
                       kTokens[pick(std::size(kTokens))]);
        break;
      case 7: {  // a line of another document
        const std::string& other = any_document();
        if (other.empty()) break;
        const auto [from, count] = line(other);
        text.insert(begin, other, from, count);
        break;
      }
      default:
        text.resize(pick(text.size()));
        break;
    }
  }

  std::mt19937_64 random_;
  const std::vector<std::string> corpus_;
};

// Only what a signal handler may call: the input is in memory that stays.
const std::string* g_input = nullptr;
int g_crash_fd = -1;

void on_signal(int number) {
  const ssize_t ignored = ::write(g_crash_fd, g_input->data(), g_input->size());
  static_cast<void>(ignored);
  ::signal(number, SIG_DFL);
  ::raise(number);
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  using namespace hadal;
  if (argc < 4) {
    std::fprintf(stderr, "usage: validate_soak COUNT SEED FILE.yaml...\n");
    return 2;
  }
  const long count = std::atol(argv[1]);
  std::vector<std::string> corpus;
  for (int i = 3; i < argc; ++i) {
    const auto text = read_file(argv[i]);
    if (!text.ok()) {
      std::fprintf(stderr, "%s\n", text.error().message.c_str());
      return 2;
    }
    for (std::string& document : documents_of(*text)) corpus.push_back(std::move(document));
  }
  Mutator mutator(std::strtoull(argv[2], nullptr, 10), std::move(corpus));
  const auto schemas = SchemaSet::builtin();
  ValidateOptions options;
  options.schemas = schemas.get();
  g_crash_fd = ::open(kCrashFile, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  for (const int number : {SIGSEGV, SIGABRT, SIGALRM, SIGFPE, SIGBUS}) ::signal(number, on_signal);
  const auto start = Clock::now();
  double slowest = 0;
  long num_findings = 0, num_broken = 0;
  for (long i = 0; i < count; ++i) {
    std::vector<ManifestFile> files{{"a.yaml", mutator.next()}};
    const std::string input = files[0].text;
    g_input = &input;
    ::alarm(kLimitSeconds);
    const auto begun = Clock::now();
    if (i % 4 == 0) apply_safe_fixes(files, options);
    const ValidationReport report = validate_manifests(files, options);
    slowest = std::max(slowest, std::chrono::duration<double>(Clock::now() - begun).count());
    num_findings += static_cast<long>(report.findings.size());
    num_broken += report.has_errors();
    if ((i + 1) % 100000 == 0)
      std::fprintf(stderr, "%ld inputs, %.0f a second, slowest %.3f s\n", i + 1,
                   static_cast<double>(i + 1) / std::chrono::duration<double>(Clock::now() - start).count(),
                   slowest);
  }
  ::alarm(0);
  ::unlink(kCrashFile);
  std::printf(
      "%ld inputs in %.0f s; %ld with errors, %ld findings; slowest %.3f s; no crash, none over %u s\n",
      count, std::chrono::duration<double>(Clock::now() - start).count(), num_broken, num_findings, slowest,
      kLimitSeconds);
  return 0;
}
