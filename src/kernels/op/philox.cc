#include "kernels/op/philox.h"

#include "kernels/op/sample.h"

namespace hadal {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  // The multipliers and the key's Weyl increments (golden ratio, sqrt(3) - 1) of the paper, section 3.3.
  constexpr uint64_t kMultiplier0 = 0xD2511F53u;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57u;
  constexpr uint32_t kWeyl0 = 0x9E3779B9u;
  constexpr uint32_t kWeyl1 = 0xBB67AE85u;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

double philox_uniform(uint64_t seed, uint64_t position) {
  const auto low = [](uint64_t v) { return static_cast<uint32_t>(v); };
  const auto high = [](uint64_t v) { return static_cast<uint32_t>(v >> 32); };
  const std::array<uint32_t, 4> bits =
      philox4x32({low(position), high(position), 0, 0}, {low(seed), high(seed)});
  const uint64_t mantissa = (static_cast<uint64_t>(bits[0]) << 21) | (bits[1] >> 11);  // 53 bits
  return static_cast<double>(mantissa) * 0x1p-53;
}

}  // namespace hadal
