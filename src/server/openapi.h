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
  int64_t hidden_size = 0;
};

std::string openapi_document(const ServerConfig& config, const OpenApiFacts& facts);

// The document's text, with @NAME@ where a limit or another part goes.
std::string openapi_paths();
extern const char* const kOpenApiSchemas;
extern const char* const kOpenApiGeneration;
extern const char* const kOpenApiMessageFields;
// A regular expression for the decimal numbers from 0 to `last`, without anchors.
std::string number_pattern(int64_t last);

}  // namespace hadal
