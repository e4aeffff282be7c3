#include "server/routes.h"

namespace hadal {
namespace {

constexpr RouteInfo kRoutes[] = {
    {Route::kChatCompletions, "/v1/chat/completions", true, false},
    {Route::kCompletions, "/v1/completions", true, false},
    {Route::kEmbeddings, "/v1/embeddings", true, false},
    {Route::kTokenize, "/tokenize", true, false},
    {Route::kDetokenize, "/detokenize", true, false},
    {Route::kModels, "/v1/models", false, false},
    {Route::kModel, "/v1/models/{id}", false, false},
    {Route::kHealth, "/health", false, true},
    {Route::kLivez, "/livez", false, true},
    {Route::kReadyz, "/readyz", false, true},
    {Route::kStartupz, "/startupz", false, true},
    {Route::kMetrics, "/metrics", false, false},
    {Route::kVersion, "/version", false, false},
    {Route::kOpenApi, "/openapi.json", false, false},
};
constexpr std::string_view kModelPrefix = "/v1/models/";

}  // namespace

const RouteInfo* find_route(std::string_view path) {
  for (const RouteInfo& info : kRoutes) {
    if (info.route == Route::kModel) {
      if (path.size() > kModelPrefix.size() && path.starts_with(kModelPrefix)) return &info;
    } else if (path == info.path) {
      return &info;
    }
  }
  return nullptr;
}

std::string_view allowed_methods(const RouteInfo& info) {
  return info.is_post ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

bool allows_method(const RouteInfo& info, std::string_view method) {
  if (method == "OPTIONS") return true;
  return info.is_post ? method == "POST" : method == "GET" || method == "HEAD";
}

}  // namespace hadal
