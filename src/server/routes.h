// The server's routes: which paths there are, their methods, and who may call them. A constant table; any
// thread.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

enum class Route {
  kChatCompletions,
  kCompletions,
  kEmbeddings,
  kTokenize,
  kDetokenize,
  kModels,
  kModel,  // /v1/models/{id}
  kHealth,
  kLivez,
  kReadyz,
  kStartupz,
  kMetrics,
  kVersion,
  kOpenApi,
};

struct RouteInfo {
  Route route;
  std::string_view path;  // kModel: with "{id}"
  bool is_post;           // else GET and HEAD
  bool is_open;           // needs no key: health alone
};

// nullptr: no such path.
const RouteInfo* find_route(std::string_view path);
// "POST, OPTIONS" or "GET, HEAD, OPTIONS".
std::string_view allowed_methods(const RouteInfo& info);
bool allows_method(const RouteInfo& info, std::string_view method);

}  // namespace hadal
