// Which of the catalog's models a text or a command means. Pure functions; any thread.
#pragma once

#include <string_view>

#include "config/model_catalog.h"
#include "deploy/validate/command_text.h"

namespace hadal {

// "deepseek-ai/DeepSeek-R1", "/models/DeepSeek-R1", "deepseek-r1"; null: unknown, or weights that somebody
// quantised or converted ("DeepSeek-R1-AWQ"), whose size is another.
const CatalogModel* named_model(std::string_view text);
// The engine is told of a format of fewer bits than the checkpoint that the catalog knows.
bool is_quantised(const EngineProgram& engine);

}  // namespace hadal
