#include "hub/source.h"

#include <algorithm>
#include <map>
#include <set>

#include "hub/api_client.h"
#include "hub/credentials.h"
#include "hub/digest.h"
#include "hub/field_text.h"
#include "hub/file_filter.h"
#include "hub/hub_json.h"
#include "hub/model_marker.h"
#include "hub/range_answer.h"
#include "hub/s3_store.h"
#include "hub/transfer_text.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

constexpr int kMaxPages = 2000;
constexpr int kMaxRedirects = 10;
constexpr std::chrono::milliseconds kBriefConnect{4000}, kBriefRead{4000};
constexpr std::chrono::seconds kLongestThrottle{1800}, kBriefThrottle{2};

Result<std::string> hub_endpoint(const std::string& given, const char* standard) {
  std::string user_info;
  HADAL_ASSIGN(std::string url, without_user_info(given.empty() ? standard : given, user_info));
  while (url.ends_with('/')) url.pop_back();
  return url;
}

HttpHeaders bearer(const std::string& token) {
  return token.empty() ? HttpHeaders{} : HttpHeaders{{"Authorization", "Bearer " + token}};
}

// Two tries of a few seconds each, for a directory that is complete whatever they give.
Settings briefly(Settings settings) {
  HubConfig& hub = settings.hub;
  hub.retries = std::min(hub.retries, 1);
  hub.connect_timeout = std::min(hub.connect_timeout, kBriefConnect);
  hub.read_timeout = std::min(hub.read_timeout, kBriefRead);
  return settings;
}

// What every kind needs.
struct Opener {
  const ModelRef& ref;
  const Settings settings;
  const SourceOptions& options;
  const Notice& notice;
  std::stop_token stop;
  ApiClient api;

  Opener(const ModelRef& r, const Settings& s, const SourceOptions& o, const Notice& n, std::stop_token t)
      : ref(r),
        settings(o.standing == nullptr ? s : briefly(s)),
        options(o),
        notice(n),
        stop(t),
        api(settings.hub, t, n, o.standing == nullptr ? kLongestThrottle : kBriefThrottle) {}

  Result<CurlResponse> get(const std::string& url, const HttpHeaders& headers, const std::string& what) {
    HADAL_ASSIGN(CurlResponse response, api.send([&] {
      CurlRequest request;
      request.url = url;
      request.headers = headers;
      request.max_redirects = kMaxRedirects;
      return request;
    }));
    if (response.status != 200) return status_error(response, url, what);
    return response;
  }

  Result<Source> hugging_face() {
    HADAL_ASSIGN(const std::string token, find_token(settings.hub, settings.environment, ref.kind));
    HADAL_ASSIGN(
        const std::string endpoint,
        hub_endpoint(first_given({settings.hub.endpoint, variable(settings.environment, "HF_ENDPOINT")}),
                     "https://huggingface.co"));
    const HttpHeaders headers = bearer(token);
    const std::string what = shown_ref(ref) + (ref.revision.empty() ? "" : "@" + ref.revision);
    const std::string api_url = endpoint + "/api/models/" + ref.repository;
    const std::string revision = asked_revision(ref);
    HADAL_ASSIGN(const CurlResponse info,
                 get(api_url + "/revision/" + percent_encode(revision, false), headers, what));
    auto commit = parse_hf_commit(info.body);
    if (!commit.ok())
      return make_error(ErrorCode::kDataLoss, what, ": ", web_host(endpoint), ": ", commit.error().message);
    Source source;
    source.listing.source = shown_ref(ref);
    source.listing.revision = *commit;
    std::string page = api_url + "/tree/" + *commit + "?recursive=true&expand=false";
    for (int count = 0; !page.empty(); ++count) {
      if (count == kMaxPages) return make_error(ErrorCode::kDataLoss, what, ": the list of files has no end");
      HADAL_ASSIGN(const CurlResponse tree, get(page, headers, what));
      const Status parsed = parse_hf_tree(tree.body, source.listing.files);
      if (!parsed.ok())
        return make_error(ErrorCode::kDataLoss, what, ": ", web_host(endpoint), ": ", parsed.error().message);
      HADAL_ASSIGN(page, next_page(tree, page));
    }
    for (RemoteFile& file : source.listing.files) {
      file.url =
          endpoint + "/" + ref.repository + "/resolve/" + *commit + "/" + percent_encode(file.path, true);
    }
    source.headers = [headers](const RemoteFile&) { return headers; };
    return source;
  }

  static Result<std::string> next_page(const CurlResponse& response, const std::string& page) {
    const std::string* link = response.headers.find("Link");
    const std::string next = link == nullptr ? "" : next_link(*link);
    if (next.empty()) return next;
    HADAL_ASSIGN(std::string url, redirect_target(page, next));
    // The token goes with it.
    if (!same_origin(url, page))
      return make_error(ErrorCode::kDataLoss, web_host(page),
                        " continues its list at another host, which is not asked");
    return url;
  }

  Result<Source> modelscope() {
    HADAL_ASSIGN(const std::string token, find_token(settings.hub, settings.environment, ref.kind));
    HADAL_ASSIGN(const std::string endpoint,
                 hub_endpoint(first_given({settings.hub.endpoint,
                                           variable(settings.environment, "MODELSCOPE_ENDPOINT")}),
                              "https://www.modelscope.cn"));
    HttpHeaders headers = bearer(token);
    if (!token.empty()) headers.add("Cookie", "m_session_id=" + token);
    const std::string revision = asked_revision(ref);
    const std::string what = shown_ref(ref) + "@" + revision;
    const std::string api_url = endpoint + "/api/v1/models/" + ref.repository + "/repo";
    const std::string list =
        api_url + "/files?Revision=" + percent_encode(revision, false) + "&Recursive=True";
    HADAL_ASSIGN(const CurlResponse response, get(list, headers, what));
    Source source;
    source.listing.source = shown_ref(ref);
    source.listing.revision = revision;
    const Status parsed = parse_modelscope_files(response.body, source.listing.files);
    if (!parsed.ok())
      return make_error(ErrorCode::kDataLoss, what, ": ", web_host(endpoint), ": ", parsed.error().message);
    for (RemoteFile& file : source.listing.files) {
      file.url = api_url + "?Revision=" + percent_encode(revision, false) +
                 "&FilePath=" + percent_encode(file.path, false);
    }
    source.headers = [headers](const RemoteFile&) { return headers; };
    return source;
  }

  Result<Source> s3() {
    HADAL_ASSIGN(S3Access access, find_s3_access(settings.hub, settings.environment));
    const auto store = std::make_shared<S3Store>(std::move(access), ref.bucket);
    const std::string prefix = ref.prefix.empty() ? "" : ref.prefix + "/";
    HADAL_ASSIGN(const std::vector<S3Object> objects, store->list(api, prefix));
    Source source;
    source.listing.source = shown_ref(ref);
    const auto keys = std::make_shared<std::map<std::string, std::string>>();
    for (const S3Object& object : objects) {
      const std::string path = object.key.substr(std::min(prefix.size(), object.key.size()));
      // Folders are objects whose name ends in a slash.
      if (path.empty() || path.ends_with('/')) continue;
      RemoteFile file;
      file.path = path;
      file.size = object.size;
      file.etag = object.etag;
      file.url = store->url(object.key);
      (*keys)[file.url] = object.key;
      source.listing.files.push_back(std::move(file));
    }
    if (objects.empty() && !prefix.empty())
      HADAL_RETURN_IF_ERROR(add_single_object(*store, *keys, source.listing));
    if (source.listing.files.empty())
      return make_error(ErrorCode::kNotFound, shown_ref(ref), " holds no objects: check bucket and prefix");
    HADAL_RETURN_IF_ERROR(add_checksums(*store, *keys, source.listing));
    source.headers = [store, keys](const RemoteFile& file) {
      HttpHeaders headers = store->get_headers(keys->at(file.url));
      if (!file.etag.empty()) headers.set("If-Match", file.etag);
      return headers;
    };
    return source;
  }

  // The prefix is one object's key.
  Status add_single_object(const S3Store& store, std::map<std::string, std::string>& keys, Listing& listing) {
    auto file = store.head(api, ref.prefix);
    if (!file.ok()) return file.error().code == ErrorCode::kNotFound ? Status() : Status(file.error());
    file->path = ref.prefix.substr(ref.prefix.rfind('/') + 1);
    keys[file->url] = ref.prefix;
    listing.files.push_back(std::move(*file));
    return {};
  }

  // Of the marker that hadal push leaves with the model, or else of each object that is wanted.
  Status add_checksums(const S3Store& store, const std::map<std::string, std::string>& keys,
                       Listing& listing) {
    std::map<std::string, MarkerFile> known;
    const auto own = std::find_if(listing.files.begin(), listing.files.end(),
                                  [](const RemoteFile& file) { return file.path == kMarkerName; });
    if (own != listing.files.end()) {
      const std::string key = keys.at(own->url);
      HADAL_ASSIGN(const CurlResponse response, api.send([&] { return store.request("GET", key); }));
      const auto marker = parse_marker(response.body);
      if (response.status == 200 && marker.ok()) {
        listing.revision = marker->revision;
        for (const MarkerFile& file : marker->files) known[file.path] = file;
      }
      listing.files.erase(own);
    }
    // What is wrong with the choice is said by whoever makes it for good.
    const auto chosen = choose_files(listing.files, options.filter);
    std::set<std::string> wanted;
    for (const RemoteFile& file : chosen.ok() ? chosen->files : std::vector<RemoteFile>())
      wanted.insert(file.path);
    std::vector<RemoteFile*> unknown;
    for (RemoteFile& file : listing.files) {
      const auto at = known.find(file.path);
      if (at != known.end() && at->second.size == file.size) {
        file.checksum = {Checksum::Kind::kSha256, at->second.sha256};
      } else if (wanted.contains(file.path)) {
        unknown.push_back(&file);
      }
    }
    if (unknown.empty()) return {};
    // An ETag changes with the content: all of them are the revision.
    std::string etags = listing.revision;
    for (const RemoteFile* file : unknown) etags += " " + file->path + " " + file->etag;
    listing.revision = "etags:" + to_hex(digest_of(DigestKind::kSha256, etags)).substr(0, 40);
    if (options.standing != nullptr && options.standing->revision == listing.revision)
      return take_checksums(*options.standing, unknown);
    for (RemoteFile* file : unknown) {
      if (file->checksum.known()) continue;
      HADAL_ASSIGN(const RemoteFile head, store.head(api, keys.at(file->url)));
      file->checksum = head.checksum;
      if (head.size == file->size && !head.etag.empty()) file->etag = head.etag;
    }
    return {};
  }

  // Those of a directory that is complete at the same revision.
  static Status take_checksums(const ModelMarker& standing, const std::vector<RemoteFile*>& files) {
    std::map<std::string, std::string> known;
    for (const MarkerFile& file : standing.files) known[file.path] = file.sha256;
    for (RemoteFile* file : files) {
      const auto at = known.find(file->path);
      if (at != known.end()) file->checksum = {Checksum::Kind::kSha256, at->second};
    }
    return {};
  }

  Result<Source> http() {
    std::string token;
    if (!settings.hub.token_file.empty()) {
      HADAL_ASSIGN(token, read_secret_file(settings.hub.token_file));
    }
    Source source;
    source.listing.source = shown_ref(ref);
    const auto secrets = std::make_shared<std::map<std::string, HttpHeaders>>();
    for (const std::string& url : ref.urls) {
      RemoteFile file;
      std::string user_info;
      HADAL_ASSIGN(file.url, without_user_info(url, user_info));
      file.path = percent_decode(shown_url(url).substr(shown_url(url).rfind('/') + 1));
      HttpHeaders headers = bearer(token);
      if (!user_info.empty()) headers = {{"Authorization", "Basic " + to_base64(user_info)}};
      HADAL_RETURN_IF_ERROR(add_given_checksum(file));
      HADAL_RETURN_IF_ERROR(probe(file, headers));
      (*secrets)[file.url] = headers;
      source.listing.files.push_back(std::move(file));
    }
    source.listing.revision = version_of(source.listing.files);
    source.headers = [secrets](const RemoteFile& file) {
      const auto at = secrets->find(file.url);
      return at == secrets->end() ? HttpHeaders() : at->second;
    };
    return source;
  }

  // What says that files without a checksum are still the same; "" where the server says nothing of one.
  static std::string version_of(const std::vector<RemoteFile>& files) {
    std::string out;
    for (const RemoteFile& file : files) {
      if (file.checksum.known()) continue;
      if (file.etag.empty()) return "";
      out += (out.empty() ? "" : " ") + file.etag;
    }
    constexpr size_t kShown = 64;
    return out.size() <= kShown ? out : "sha256:" + to_hex(digest_of(DigestKind::kSha256, out));
  }

  Status add_given_checksum(RemoteFile& file) const {
    for (const std::string& given : settings.hub.checksums) {
      const size_t equals = given.rfind('=');
      if (equals == std::string::npos && ref.urls.size() > 1)
        return invalid_argument("--sha256 ", given, ": with several files it is NAME=HEX");
      if (equals != std::string::npos && given.substr(0, equals) != file.path) continue;
      std::string hex = given.substr(equals == std::string::npos ? 0 : equals + 1);
      if (from_hex(hex).size() != 32)
        return invalid_argument("--sha256 ", given, ": a SHA-256 has 64 hex digits");
      file.checksum = {Checksum::Kind::kSha256, to_hex(from_hex(hex))};
      file.checksum_given = true;
    }
    return {};
  }

  // Size and version of a file that no list describes: its first byte is asked for, redirects are followed.
  Status probe(RemoteFile& file, const HttpHeaders& secret) {
    Status last;
    for (int failures = 0; failures <= settings.hub.retries; ++failures) {
      const auto wait = std::min(std::chrono::milliseconds(20'000),
                                 std::chrono::milliseconds(250) * (1 << std::min(failures, 8)));
      if (failures > 0)
        notice(trying_again(last.error().message, wait, failures + 1, settings.hub.retries + 1));
      if (failures > 0 && !pause(wait)) return make_error(ErrorCode::kCancelled, "stopped");
      bool again = false;
      last = probe_once(file, secret, again);
      if (last.ok() || !again) return last;
    }
    return last;
  }

  bool pause(std::chrono::milliseconds wait) const {
    const auto end = std::chrono::steady_clock::now() + wait;
    while (std::chrono::steady_clock::now() < end && !stop.stop_requested())
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return !stop.stop_requested();
  }

  Status probe_once(RemoteFile& file, const HttpHeaders& secret, bool& again) {
    std::string url = file.url;
    for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
      RangeAnswer answer;
      TransferEnd end;
      if (!ask(url, same_origin(url, file.url) ? secret : HttpHeaders(), answer, end))
        return make_error(ErrorCode::kCancelled, "stopped");
      const std::string host = web_host(url);
      if (end.status == 0) {
        again = !end.permanent;
        return make_error(end.code, file.path, ": ", host, " ", end.problem);
      }
      using Kind = RangeAnswer::Kind;
      switch (answer.kind) {
        case Kind::kRedirect: {
          HADAL_ASSIGN(url, redirect_target(url, answer.location));
          continue;
        }
        case Kind::kPart:
        case Kind::kWhole:
          file.size = answer.file_size;
          file.etag = answer.validator;
          return {};
        case Kind::kThrottled:
        case Kind::kBroken:
          // An empty file has no first byte.
          again = true;
          return make_error(ErrorCode::kUnavailable, file.path, ": ", host, " ", answer.problem);
        default:
          return make_error(
              answer.kind == Kind::kMissing ? ErrorCode::kNotFound : ErrorCode::kPermissionDenied, file.path,
              ": ", host, " ", answer.problem);
      }
    }
    return make_error(ErrorCode::kUnavailable, file.path, ": ", web_host(file.url), " redirects without end");
  }

  // False: told to stop.
  bool ask(const std::string& url, const HttpHeaders& secret, RangeAnswer& answer, TransferEnd& ended) const {
    TransferLoop loop(transfer_options(settings.hub));
    bool done = false;
    Transfer transfer;
    transfer.url = url;
    transfer.headers = secret;
    transfer.headers.add("Accept-Encoding", "identity");
    transfer.headers.add("Range", "bytes=0-0");
    transfer.on_head = [&](int status, const HttpHeaders& headers) {
      RangeQuestion question;
      question.range = {0, 1};
      answer = judge_answer(question, status, headers);
      // "bytes */0": an empty file has no first byte.
      const std::string* range = headers.find("Content-Range");
      if (status == 416 && range != nullptr && *range == "bytes */0") {
        answer.kind = RangeAnswer::Kind::kWhole;
        answer.file_size = 0;
      }
      return false;
    };
    transfer.on_end = [&](const TransferEnd& end) {
      ended = end;
      done = true;
    };
    loop.start(std::move(transfer));
    while (!done && !stop.stop_requested()) loop.run_once(std::chrono::milliseconds(100));
    return done;
  }
};

}  // namespace

TransferOptions transfer_options(const HubConfig& config) {
  TransferOptions options;
  options.connect_timeout = config.connect_timeout;
  options.read_timeout = config.read_timeout;
  options.max_rate = config.max_rate;
  options.proxy = config.proxy;
  options.http_proxy = config.http_proxy;
  options.ca_file = config.ca_file;
  options.insecure = config.insecure;
  options.max_connections = config.connections;
  return options;
}

bool is_unreachable(const Error& error) {
  const bool silent = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDeadlineExceeded;
  return silent && error.message.find("certificate") == std::string::npos;
}

std::string asked_revision(const ModelRef& ref) {
  if (!ref.revision.empty()) return ref.revision;
  return ref.kind == ModelRef::Kind::kHuggingFace  ? "main"
         : ref.kind == ModelRef::Kind::kModelScope ? "master"
                                                   : "";
}

Result<Source> open_source(const ModelRef& ref, const Settings& settings, const SourceOptions& options,
                           const Notice& notice, std::stop_token stop) {
  Opener opener(ref, settings, options, notice, std::move(stop));
  switch (ref.kind) {
    case ModelRef::Kind::kHuggingFace:
      return opener.hugging_face();
    case ModelRef::Kind::kModelScope:
      return opener.modelscope();
    case ModelRef::Kind::kS3:
      return opener.s3();
    case ModelRef::Kind::kHttp:
      return opener.http();
    case ModelRef::Kind::kDirectory:
      break;
  }
  return invalid_argument(ref.path, " is a directory");
}

}  // namespace hadal
