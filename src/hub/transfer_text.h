// transfer_text: how far a transfer is, or what it waits for, as one line. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hadal {

struct TransferProgress {
  int64_t done = 0;
  int64_t total = 0;
  double rate = 0;  // bytes a second; 0: not known yet
};

// "[#######             ]  35%  1.23 GB of 3.42 GB, 210.5 MB/s, 10 s left"; with no bar where plain.
std::string transfer_text(const TransferProgress& progress, bool bar);
// "45 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
std::string shown_duration(double seconds);
// "PROBLEM; trying again in 2 s (try 2 of 9)".
std::string trying_again(const std::string& problem, std::chrono::milliseconds wait, int next_try, int tries);

}  // namespace hadal
