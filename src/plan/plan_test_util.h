// What the tests of plan/ look up in the catalog.
#pragma once

#include <optional>
#include <string_view>

#include "base/check.h"
#include "config/model_catalog.h"
#include "plan/weight_map.h"

namespace hadal {

inline ModelConfig config_of(std::string_view name) {
  const CatalogModel* model = find_catalog_model(name);
  HADAL_CHECK(model != nullptr) << name;
  return catalog_config(*model).value();
}
inline WeightMap map_of(std::string_view name, std::optional<WeightFormat> format = {}) {
  return WeightMap(config_of(name), format);
}

}  // namespace hadal
