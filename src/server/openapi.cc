#include "server/openapi.h"
namespace hadal {
std::string openapi_document(const ServerConfig&, bool, const std::string&) { return "{}"; }
}
