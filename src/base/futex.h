// Waits on a 32-bit word: the sleep under spin loops. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace hadal {

// Sleeps while *word == expected, until woken or `timeout` has passed. May return early; the caller looks
// again.
void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected, std::chrono::nanoseconds timeout);
void futex_wake_all(const std::atomic<uint32_t>& word);

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace hadal
