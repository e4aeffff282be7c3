// The texts in which clients ask an engine, or set up a cluster: words of containers' commands and scripts in
// ConfigMaps. For rules about requests. Pure; any thread while the set lives.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "deploy/validate/command_text.h"
#include "deploy/validate/manifest_set.h"

namespace hadal {

struct ClientText {
  Reporter* reporter = nullptr;
  const Value* value = nullptr;
  const PodTemplate* pod = nullptr;           // null: a ConfigMap's script
  std::shared_ptr<const std::string> around;  // the whole command that the value is a part of
  std::string_view text() const { return View(*value).text(); }
};

// "*.sh" of ConfigMaps, and every text of command, args and hooks.
std::vector<ClientText> client_texts(const ManifestSet& set);

}  // namespace hadal
