#include "deploy/validate/named_model.h"

namespace hadal {

const CatalogModel* named_model(std::string_view text) {
  for (const std::string_view mark :
       {"AWQ", "awq",  "GPTQ", "gptq", "FP4",  "fp4",  "INT4", "int4", "Int4", "W4",
        "w4a", "GGUF", "gguf", "BF16", "bf16", "INT8", "int8", "Int8", "W8",   "w8a"}) {
    if (text.find(mark) != std::string_view::npos) return nullptr;
  }
  if (const CatalogModel* model = find_catalog_model(text)) return model;
  const size_t slash = text.rfind('/');
  return slash == std::string_view::npos || slash + 1 == text.size()
             ? nullptr
             : find_catalog_model(text.substr(slash + 1));
}

bool is_quantised(const EngineProgram& engine) {
  const auto method = engine.flag({"--quantization", "-q"});
  return method && *method != "fp8";
}

}  // namespace hadal
