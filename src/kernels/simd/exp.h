// e^x for any vector tier.
#pragma once

#include "kernels/simd/macros.h"

namespace hadal {

// Relative error about 1e-7 (the polynomial's is 1e-8); exactly 1 at 0. Below -88 the result is 0, above 88.3
// it stays at e^88.3; NaN gives NaN. e^x = 2^n e^f with |f| <= ln(2) / 2, where e^f = 1 + f + f^2 g(f) and g
// is interpolated at Chebyshev nodes.
template <typename V>
HADAL_VEC typename V::F vector_exp(typename V::F x) {
  using F = typename V::F;
  x = V::min(V::set1(88.3f), V::max(V::set1(-88.0f), x));
  const F n = V::round(V::mul(x, V::set1(1.44269504f)));
  F f = V::fma(n, V::set1(-0.693359375f),
               x);  // ln(2) in two parts: the first has 10 bits, so the product is exact
  f = V::fma(n, V::set1(2.12194440e-4f), f);
  F g = V::fma(V::set1(0.00139263261f), f, V::set1(0.00836329255f));
  g = V::fma(g, f, V::set1(0.0416665524f));
  g = V::fma(g, f, V::set1(0.166665763f));
  g = V::fma(g, f, V::set1(0.5f));
  const F y = V::fma(V::mul(f, f), g, V::add(f, V::set1(1.0f)));
  return V::mul(y, V::pow2(n));
}

}  // namespace hadal
