// Random weights for --load-format dummy: element (seed, tensor name, index) decides the bytes, so they are
// the same whatever thread, rank or order makes them. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "device/dtype.h"

namespace hadal {

// Standard deviation of kF8E4M3 weights, whatever `scale` is: their scale tensor carries it.
inline constexpr float kF8RandomDeviation = 1.15878f;

// Writes elements [begin, begin + count) (whole blocks; begin a multiple of random_grain) of the tensor
// `name` of any float or block dtype, of mean about `mean` and standard deviation about `scale`:
// - plain dtypes around 0: magnitudes of two binades, [2^e, 2^(e + 2)), the deviation rounded to the nearest
//   such (2.415 * 2^e: 0.0189 for 0.02): bounded, so that activations stay finite, and made at memory speed;
// - plain dtypes around another mean (norms): normal (quantiles of a 4096-entry table);
// - block dtypes: uniform quants and one scale.
void fill_random(DType dtype, uint64_t seed, std::string_view name, float mean, float scale, int64_t begin,
                 int64_t count, std::byte* out);

// Where threads may cut a tensor.
int64_t random_grain(DType dtype);

}  // namespace hadal
