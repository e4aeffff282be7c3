#include "hub/peer_server.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include <charconv>
#include <map>
#include <mutex>

#include "base/file.h"
#include "base/json.h"
#include "hub/credentials.h"
#include "hub/disk.h"
#include "hub/download.h"
#include "hub/model_marker.h"
#include "hub/peer_list.h"
#include "hub/pull_journal.h"
#include "net/http_server.h"

namespace hadal {
namespace {

constexpr auto kFresh = std::chrono::milliseconds(1000);
constexpr int kIoThreads = 4;
constexpr size_t kMaxConnections = 1024;
constexpr std::string_view kFiles = "/v1/files/";

HttpResponse json_answer(int status, const std::string& message) {
  std::string body;
  JsonWriter(body).begin_object().member("error", message).end_object();
  return {status, {{"Content-Type", "application/json"}}, body + "\n"};
}

enum class RangeWish { kAll, kPart, kBad };

// One range of a Range field (RFC 9110 section 14.2); several, or another unit, count as none.
RangeWish read_range(std::string_view text, int64_t size, ByteRange& range) {
  range = {0, size};
  if (!text.starts_with("bytes=") || text.find(',') != std::string_view::npos) return RangeWish::kAll;
  text.remove_prefix(6);
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return RangeWish::kAll;
  const auto number = [](std::string_view digits, int64_t& out) {
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return read.ec == std::errc() && read.ptr == digits.data() + digits.size() && out >= 0;
  };
  const std::string_view first = text.substr(0, dash), last = text.substr(dash + 1);
  int64_t a = 0, b = 0;
  if (first.empty()) {
    if (!number(last, b)) return RangeWish::kAll;
    if (b == 0 || size == 0) return RangeWish::kBad;
    range.begin = std::max<int64_t>(0, size - b);
    return RangeWish::kPart;
  }
  if (!number(first, a) || (!last.empty() && (!number(last, b) || b < a))) return RangeWish::kAll;
  if (a >= size) return RangeWish::kBad;
  range.begin = a;
  if (!last.empty()) range.end = std::min(size, b == INT64_MAX ? size : b + 1);
  return RangeWish::kPart;
}

}  // namespace

struct PeerServer::Impl : HttpHandler {
  Impl(std::string dir, std::string secret) : directory(std::move(dir)), token(std::move(secret)) {}

  // What is there, read anew at most once a second. Any io thread.
  struct Place {
    PeerFile file;
    std::string on_disk;
  };

  void refresh(bool now) {
    if (!now && std::chrono::steady_clock::now() < fresh_until) return;
    fresh_until = std::chrono::steady_clock::now() + kFresh;
    places.clear();
    manifest = {};
    const auto marker = read_marker(directory);
    if (marker.ok() && marker->has_value()) return take_marker(**marker);
    const auto journal = read_file(directory + "/" + kPullFolder + "/journal", kMaxJournal);
    if (!journal.ok()) return;
    for (const auto& [id, file] : parse_journal(*journal, read_boot_id()).files) take_unfinished(id, file);
  }

  void take_marker(const ModelMarker& marker) {
    manifest.complete = true;
    manifest.source = marker.source;
    manifest.revision = marker.revision;
    for (const MarkerFile& file : marker.files)
      add({file.path, file.size, file.sha256, true, {}}, directory + "/" + file.path);
  }

  void take_unfinished(int id, const JournalFile& file) {
    PeerFile shown{file.path, file.size, file.sha256, file.done, file.written};
    const std::string prefix = "sum" + std::to_string(static_cast<int>(Checksum::Kind::kSha256)) + ":";
    if (file.validator.starts_with(prefix)) shown.sha256 = file.validator.substr(prefix.size());
    if (!file.done && file.written.empty()) return;
    add(std::move(shown), file.done ? directory + "/" + file.path : part_path(directory, id));
  }

  void add(PeerFile file, std::string on_disk) {
    manifest.files.push_back(file);
    const std::string path = file.path;
    places[path] = {std::move(file), std::move(on_disk)};
  }

  bool allowed(const HttpRequest& request) const {
    if (token.empty()) return true;
    const std::string* given = request.headers.find("Authorization");
    const std::string wanted = "Bearer " + token;
    return given != nullptr && given->size() == wanted.size() &&
           CRYPTO_memcmp(given->data(), wanted.data(), wanted.size()) == 0;
  }

  std::optional<HttpResponse> check_head(HttpRequest& head) override {
    if (!allowed(head)) {
      HttpResponse response = json_answer(401, "this peer asks for the token of its --peer-token-file");
      response.headers.add("WWW-Authenticate", "Bearer");
      return response;
    }
    if (head.method != "GET" && head.method != "HEAD")
      return json_answer(405, "only GET and HEAD are answered");
    return std::nullopt;
  }

  void handle(std::shared_ptr<HttpExchange> exchange) override {
    exchange->respond(answer(exchange->request()));
  }

  HttpResponse answer(const HttpRequest& request) {
    std::lock_guard lock(mutex);
    if (request.path == "/v1/manifest") {
      refresh(false);
      return {200, {{"Content-Type", "application/json"}}, peer_manifest_text(manifest) + "\n"};
    }
    if (!request.path.starts_with(kFiles))
      return json_answer(404, "there are /v1/manifest and /v1/files/PATH");
    const std::string path = percent_decode(request.path.substr(kFiles.size()));
    refresh(false);
    HttpResponse response = file_answer(request, path);
    if (response.status == 200 || response.status == 206) return response;
    // Finished a moment ago, or more of it is there by now.
    refresh(true);
    return file_answer(request, path);
  }

  HttpResponse file_answer(const HttpRequest& request, const std::string& path) {
    const auto at = places.find(path);
    if (at == places.end()) return json_answer(404, "this peer does not have that file");
    const PeerFile& file = at->second.file;
    const std::string etag = "\"" + file.sha256 + "\"";
    ByteRange range{0, file.size};
    RangeWish wish = RangeWish::kAll;
    if (const std::string* text = request.headers.find("Range")) wish = read_range(*text, file.size, range);
    const std::string* condition = request.headers.find("If-Range");
    if (condition != nullptr && *condition != etag) wish = RangeWish::kAll;
    if (wish == RangeWish::kBad) {
      HttpResponse response = json_answer(416, "the file ends before that range");
      response.headers.add("Content-Range", "bytes */" + std::to_string(file.size));
      return response;
    }
    if (wish == RangeWish::kAll) range = {0, file.size};
    if (!file.whole && !file.there.covers(range)) {
      HttpResponse response = json_answer(503, "this peer does not have those bytes yet");
      response.headers.add("Retry-After", "3");
      return response;
    }
    auto fd = std::make_shared<UniqueFd>(::open(at->second.on_disk.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!fd->valid() || ::fstat(fd->get(), &info) != 0 || info.st_size != file.size)
      return json_answer(404, "that file is not there any more");
    HttpResponse response;
    response.status = wish == RangeWish::kPart ? 206 : 200;
    response.headers = {{"Content-Type", "application/octet-stream"}, {"Accept-Ranges", "bytes"}};
    if (!file.sha256.empty()) response.headers.add("ETag", etag);
    if (wish == RangeWish::kPart) {
      response.headers.add("Content-Range", "bytes " + std::to_string(range.begin) + "-" +
                                                std::to_string(range.end - 1) + "/" +
                                                std::to_string(file.size));
    }
    response.region = HttpFileRegion{std::move(fd), range.begin, range.size()};
    return response;
  }

  HttpResponse error_response(int status, std::string_view message, HttpRequest&) override {
    return json_answer(status, std::string(message));
  }
  void on_done(const HttpExchange&, const HttpOutcome&) override {}

  const std::string directory;
  const std::string token;
  std::string host;
  std::mutex mutex;
  std::chrono::steady_clock::time_point fresh_until{};
  PeerManifest manifest;
  std::map<std::string, Place> places;
  std::unique_ptr<HttpServer> server;  // last: its threads call the above
};

PeerServer::PeerServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PeerServer::~PeerServer() {
  impl_->server->stop();
}

Result<std::unique_ptr<PeerServer>> PeerServer::start(const Settings& settings,
                                                      const std::string& directory) {
  std::string token;
  if (!settings.hub.peer_token_file.empty()) {
    HADAL_ASSIGN(token, read_secret_file(settings.hub.peer_token_file));
  }
  auto impl = std::make_unique<Impl>(directory, token);
  HttpServerOptions options;
  options.host = impl->host = settings.hub.serve_host;
  options.port = static_cast<uint16_t>(settings.hub.serve_port);
  options.num_threads = kIoThreads;
  options.max_connections = kMaxConnections;
  options.max_body_bytes = 0;
  HADAL_ASSIGN(impl->server, HttpServer::create(options, *impl));
  impl->server->start();
  return std::unique_ptr<PeerServer>(new PeerServer(std::move(impl)));
}

uint16_t PeerServer::port() const {
  return impl_->server->port();
}
std::string PeerServer::address() const {
  const std::string& host = impl_->host;
  const std::string shown = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return "http://" + shown + ":" + std::to_string(port());
}

}  // namespace hadal
