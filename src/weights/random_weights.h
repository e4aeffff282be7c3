// Random weights for --load-format dummy: element (seed, tensor name, index) decides the bytes, so they are
// the same whatever thread, rank or order makes them. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "device/dtype.h"

namespace hadal {

// Fills `count` elements (whole blocks) of any float or block dtype with mean about 0 and standard deviation
// `scale`: plain dtypes are normal (quantiles of a 4096-entry table), block dtypes have uniform quants and
// one scale. kF8E4M3 gets normal values of standard deviation 1 instead: its scale tensor carries `scale`.
void fill_random(DType dtype, uint64_t seed, std::string_view name, float mean, float scale, int64_t count,
                 std::byte* out);

}  // namespace hadal
