// The OpenAPI 3.1 document of the server's routes, with its limits. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/server_config.h"

namespace hadal {

struct OpenApiFacts {
  std::string version;
  bool needs_key = false;
  std::vector<std::string> model_names;  // empty: not known yet
  int64_t vocab_size = 0;                // 0: not known yet
  int64_t context_length = 0;
};

std::string openapi_document(const ServerConfig& config, const OpenApiFacts& facts);

// The two halves of the document's text, with @NAME@ where a limit goes.
extern const char* const kOpenApiPaths;
extern const char* const kOpenApiSchemas;

}  // namespace hadal
