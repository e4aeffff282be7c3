// What a parallel_for costs, and how the pool behaves when other programs take the CPUs.
//   thread_pool_bench [threads] [competitors] [spin-gap-us]
// competitors: busy processes started beside it. Floors: the same work on one thread, and divided by the
// threads.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "device/thread_pool.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// About a microsecond of arithmetic.
void work(int64_t units) {
  for (int64_t u = 0; u < units; ++u) {
    uint64_t x = static_cast<uint64_t>(u) | 1;
    for (int i = 0; i < 800; ++i) x = x * 6364136223846793005u + 1442695040888963407u;
    __asm__ volatile("" ::"r"(x));
  }
}

struct Figures {
  double median = 0;
  double p99 = 0;
  double mean = 0;
};

Figures measure(ThreadPool& pool, int64_t items, double gap_us) {
  std::vector<double> times;
  double sum = 0;
  const auto begin = Clock::now();
  while (us_since(begin) < 1e6) {
    const auto start = Clock::now();
    pool.parallel_for(items, 1, [](int64_t b, int64_t e, int) { work(e - b); });
    times.push_back(us_since(start));
    sum += times.back();
    const auto pause = Clock::now();
    while (us_since(pause) < gap_us) {
    }
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100], sum / static_cast<double>(times.size())};
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int run(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const int competitors = argc > 2 ? std::atoi(argv[2]) : 0;
  const double gap = argc > 3 ? std::atof(argv[3]) : 5;
  std::vector<pid_t> children;
  for (int i = 0; i < competitors; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      for (;;) work(1000);
    }
    children.push_back(child);
  }
  ThreadPool one(1);
  ThreadPool pool(threads);
  std::printf("%d threads, %d competitors, %.0f us between jobs\n", threads, competitors, gap);
  for (int64_t items : {2, 16, 100, 1000}) {
    const Figures alone = measure(one, items, gap);
    const Figures shared = measure(pool, items, gap);
    std::printf(
        "%5ld items: one thread %8.1f us (mean %8.1f), pool %8.1f (mean %8.1f, p99 %8.1f), speed-up %.2f\n",
        items, alone.median, alone.mean, shared.median, shared.mean, shared.p99, alone.mean / shared.mean);
  }
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  std::printf("idle: %.2f%% of a CPU\n", 100 * (cpu_seconds() - before));
  for (pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  return 0;
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  return hadal::run(argc, argv);
}
