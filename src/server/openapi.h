// The OpenAPI 3.1 document of the server's routes, with its limits. Pure; any thread.
#pragma once

#include <string>

#include "config/server_config.h"

namespace hadal {

std::string openapi_document(const ServerConfig& config, bool needs_key, const std::string& version);

}  // namespace hadal
