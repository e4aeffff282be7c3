// sse_bench: many concurrent SSE streams against the real server over a DummyEngine, in this process or at
// --url (hadal_dummy_server --timestamps). Each token is the time it was made; the delay is until the client
// has parsed it.
//   sse_bench [streams=2000] [events_per_second=50000] [seconds=10] [io_threads=1] [url]
// Floor to demand on 2 cores shared with the client: 2,000 streams, 50,000 events/s, no error, p99 under 50
// ms.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <vector>

#include "base/log.h"
#include "base/process_limits.h"
#include "net/http_client.h"
#include "server/dummy_engine.h"
#include "server/server.h"

namespace hadal {
namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Tally {  // on the client's one thread
  std::vector<float> delays_ms;
  int64_t done = 0, errors = 0, ended_well = 0;
};

void on_event(Tally& tally, const SseEvent& event) {
  if (event.data == "[DONE]") {
    ++tally.ended_well;
    return;
  }
  constexpr std::string_view kKey = "\"delta\":{\"content\":\"";
  const size_t at = event.data.find(kKey);
  if (at == std::string::npos) return;
  int64_t stamp = 0;
  const char* start = event.data.data() + at + kKey.size();
  if (std::from_chars(start, event.data.data() + event.data.size(), stamp).ec != std::errc()) return;
  tally.delays_ms.push_back(static_cast<float>(static_cast<double>(now_ns() - stamp) * 1e-6));
}

float percentile(std::vector<float>& values, double p) {
  if (values.empty()) return 0;
  const size_t k = std::min(values.size() - 1, static_cast<size_t>(p * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(k), values.end());
  return values[k];
}

// Runs all streams to their end.
void run_clients(const Url& url, const HttpRequest& request, int streams, Tally& tally) {
  std::latch all(streams);
  HttpClientPool pool({}, 1);
  for (int i = 0; i < streams; ++i) {
    auto parser = std::make_shared<SseParser>();
    HttpClientCallbacks callbacks;
    callbacks.on_data = [parser, &tally](std::string_view data) {
      return parser->push(data, [&](const SseEvent& event) { on_event(tally, event); }).ok();
    };
    pool.start(url, request, std::move(callbacks), [&](Result<HttpResponse> result) {
      ++tally.done;
      if (!result.ok() || result->status != 200) ++tally.errors;
      all.count_down();
    });
  }
  all.wait();
}

int report(Tally& tally, int streams, int io_threads, int tokens, double rate, double wall, double cpu) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto events = static_cast<int64_t>(tally.delays_ms.size());
  const int64_t errors = tally.errors + (streams - tally.ended_well);
  const float p50 = percentile(tally.delays_ms, 0.5), p99 = percentile(tally.delays_ms, 0.99);
  const float worst = percentile(tally.delays_ms, 1.0);
  std::printf("streams %d, io threads %d, tokens per stream %d\n", streams, io_threads, tokens);
  std::printf("%-28s %12.0f   floor %12.0f\n", "events per second", static_cast<double>(events) / wall,
              rate * 0.9);
  std::printf("%-28s %12.1f\n%-28s %12.1f   floor %12.1f\n%-28s %12.1f\n", "event delay p50 ms",
              static_cast<double>(p50), "event delay p99 ms", static_cast<double>(p99), 50.0,
              "event delay max ms", static_cast<double>(worst));
  std::printf("%-28s %12lld   floor %12d\n", "errors", static_cast<long long>(errors), 0);
  std::printf("%-28s %12.2f\n%-28s %12.1f\n", "cores used, client too", cpu / wall, "peak resident MB",
              static_cast<double>(usage.ru_maxrss) / 1024.0);
  const bool good = errors == 0 && p99 < 50 && events == static_cast<int64_t>(tokens) * streams;
  std::printf("%s\n", good ? "ok" : "BELOW THE FLOOR");
  return good ? 0 : 1;
}

int run(int streams, double rate, double seconds, int io_threads, const char* url_text) {
  const int tokens = std::max(1, static_cast<int>(rate / streams * seconds));
  DummyEngineOptions options;
  options.timestamps = true;
  options.step = std::chrono::microseconds(static_cast<int64_t>(1e6 * streams / rate));
  options.answer_tokens = 1 << 30;
  options.context_length = 1 << 30;
  MetricsRegistry metrics;
  DummyEngine engine(options);
  ServerConfig config;
  config.port = 0;
  config.access_log = false;
  config.num_io_threads = io_threads;
  config.num_tokenizer_threads = 1;
  config.max_queued_tokenizations = streams + 1;
  auto server = Server::create(config, metrics, "bench");
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 2;
  }
  (*server)->start();
  (*server)->attach(make_dummy_model(engine, options));
  const std::string address = url_text ? url_text : "http://127.0.0.1:" + std::to_string((*server)->port());
  auto url = parse_url(address + "/v1/chat/completions");
  if (!url.ok()) {
    std::fprintf(stderr, "%s\n", url.error().message.c_str());
    return 2;
  }
  HttpRequest request;
  request.method = "POST";
  request.headers.add("Content-Type", "application/json");
  request.body = R"({"model":"dummy","stream":true,"max_tokens":)" + std::to_string(tokens) +
                 R"(,"messages":[{"role":"user","content":"Hello"}]})";
  Tally tally;
  tally.delays_ms.reserve(static_cast<size_t>(tokens) * static_cast<size_t>(streams));
  const double cpu_before = cpu_seconds();
  const int64_t start = now_ns();
  run_clients(*url, request, streams, tally);
  const double wall = static_cast<double>(now_ns() - start) * 1e-9;
  const double cpu = cpu_seconds() - cpu_before;
  return report(tally, streams, io_threads, tokens, rate, wall, cpu);
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  hadal::tune_allocator();
  const auto number = [&](int i, double fallback) { return argc > i ? std::atof(argv[i]) : fallback; };
  return hadal::run(static_cast<int>(number(1, 2000)), number(2, 50000), number(3, 10),
                    static_cast<int>(number(4, 1)), argc > 5 ? argv[5] : nullptr);
}
