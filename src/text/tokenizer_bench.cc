// tokenizer_bench MODEL TEXT [quick]: tokenizer speed on one thread. MODEL is a .gguf file or a directory
// with tokenizer.json; TEXT is a file, cut into documents of about 4 KB. Figures are of the thread's CPU
// time, so that a busy machine does not blur them. Prints the floor of 30 MB/s beside the figure, load time
// and memory, and (unless quick) hostile inputs of 1 MB each. tools/bench_tokenizer.py makes a mixed text and
// runs Hugging Face tokenizers beside it.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <random>

#include "base/file.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace {

constexpr double kFloor = 30;  // MB/s

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double resident_mb() {
  auto text = hadal::read_file("/proc/self/statm");
  if (!text.ok()) return 0;
  long total = 0;
  long resident = 0;
  std::sscanf(text->c_str(), "%ld %ld", &total, &resident);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

hadal::Result<std::shared_ptr<const hadal::Tokenizer>> load(const std::string& path) {
  if (!path.ends_with(".gguf")) return hadal::Tokenizer::from_directory(path);
  auto file = hadal::GgufFile::open(path);
  if (!file.ok()) return file.error();
  return hadal::Tokenizer::from_gguf(**file);
}

std::vector<std::string_view> documents(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    size_t cut = text.size() <= 4096 ? text.size() : text.find('\n', 4096);
    cut = cut == std::string_view::npos ? text.size() : std::max<size_t>(cut, 1);
    out.push_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  return out;
}

// Best of `rounds` passes: {MB/s, million tokens/s}.
std::pair<double, double> measure(const hadal::Tokenizer& tokenizer,
                                  const std::vector<std::string_view>& docs, int rounds) {
  double best = 1e9;
  size_t bytes = 0;
  size_t tokens = 0;
  for (int round = 0; round < rounds; ++round) {
    bytes = tokens = 0;
    const double begin = cpu_seconds();
    for (const std::string_view doc : docs) {
      tokens += tokenizer.encode(doc).size();
      bytes += doc.size();
    }
    best = std::min(best, cpu_seconds() - begin);
  }
  return {static_cast<double>(bytes) / best / 1e6, static_cast<double>(tokens) / best / 1e6};
}

std::string repeat(size_t bytes, const std::function<std::string()>& next) {
  std::string out;
  while (out.size() < bytes) out += next();
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: tokenizer_bench MODEL.gguf|DIRECTORY TEXT [quick]\n";
    return 2;
  }
  const double resident_before = resident_mb();
  const double load_begin = cpu_seconds();
  const auto tokenizer = load(argv[1]);
  const double load_time = cpu_seconds() - load_begin;
  const auto text = hadal::read_file(argv[2]);
  if (!tokenizer.ok() || !text.ok()) {
    std::cerr << (tokenizer.ok() ? text.error() : tokenizer.error()).message << "\n";
    return 1;
  }
  std::printf("load %.3f s (floor 0.3), %.1f MB resident after it, %d ids\n", load_time,
              resident_mb() - resident_before, (*tokenizer)->vocab_size());
  const auto [speed, tokens] = measure(**tokenizer, documents(*text), 5);
  std::printf("encode %.1f MB/s (floor %.0f), %.2f million tokens/s, %.1f MB of text\n", speed, kFloor,
              tokens, static_cast<double>(text->size()) / 1e6);
  if (argc == 4) return 0;
  std::mt19937 random(1);
  const std::pair<const char*, std::function<std::string()>> hostile[] = {
      {"letter a", [] { return std::string("a"); }},
      {"spaces", [] { return std::string(" "); }},
      {"newlines", [] { return std::string("\n"); }},
      {"digits", [&] { return std::string(1, static_cast<char>('0' + random() % 10)); }},
      {"random letters", [&] { return std::string(1, static_cast<char>('a' + random() % 26)); }},
      {"random Han",
       [&] {
         std::string c;
         hadal::utf8_append(c, 0x4E00 + random() % 20000);
         return c;
       }},
      {"combining marks",
       [&] {
         std::string c;
         hadal::utf8_append(c, 0x300 + random() % 0x60);
         return c;
       }},
  };
  for (const auto& [name, next] : hostile) {
    const std::string doc = repeat(1 << 20, next);
    std::printf("  1 MB of %-16s %7.1f MB/s\n", name, measure(**tokenizer, {doc}, 2).first);
  }
  return 0;
}
