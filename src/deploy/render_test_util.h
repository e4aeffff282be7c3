// Parts of rendered objects by their path, for the tests of renders.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/json.h"

namespace hadal {
// "spec/template/0": null where nothing is there.
inline const Json& at(const Json& value, std::string_view path) {
  static const Json nothing;
  const Json* here = &value;
  while (!path.empty()) {
    // Keys of labels hold slashes themselves.
    if (const Json* whole = here->find(path); whole != nullptr) return *whole;
    const size_t dot = std::min(path.find('/'), path.size());
    const std::string_view key = path.substr(0, dot);
    if (here->is_array()) {
      const size_t index = static_cast<size_t>(std::stoi(std::string(key)));
      if (index >= here->as_array().size()) return nothing;
      here = &here->as_array()[index];
    } else {
      here = here->find(key);
      if (here == nullptr) return nothing;
    }
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *here;
}

// "" where no text is there.
inline std::string text(const Json& value, std::string_view path) {
  const Json& found = at(value, path);
  return found.is_string() ? found.as_string() : "";
}

}  // namespace hadal
