#include "hub/push.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <thread>

#include "base/file.h"
#include "hub/digest.h"
#include "hub/disk.h"
#include "hub/field_text.h"
#include "hub/file_filter.h"
#include "hub/s3_store.h"
#include "hub/web_address.h"
#include "hub/xml_reader.h"

namespace hadal {
namespace {

constexpr int64_t kMinPart = int64_t{5} << 20;  // S3's limits
constexpr int64_t kMaxParts = 10'000;
constexpr int64_t kMemory = int64_t{256} << 20;  // of parts on their way, each held twice
constexpr size_t kMaxListedParts = 20'000;

bool is_success(const CurlResponse& response) {
  // Completing an upload answers 200 before it knows whether it works.
  return response.status / 100 == 2 && response.body.find("<Error>") == std::string::npos;
}

// Spends no more than a rate, over all threads.
class Pace {
 public:
  explicit Pace(int64_t rate) : rate_(rate) {}
  void spend(int64_t bytes, const std::stop_token& stop) {
    if (rate_ == 0) return;
    std::unique_lock lock(mutex_);
    next_ = std::max(next_, Clock::now()) +
            std::chrono::microseconds(bytes * 1'000'000 / std::max<int64_t>(1, rate_));
    const auto until = next_;
    lock.unlock();
    while (Clock::now() < until && !stop.stop_requested())
      std::this_thread::sleep_for(
          std::min<Clock::duration>(std::chrono::milliseconds(50), until - Clock::now()));
  }

 private:
  using Clock = std::chrono::steady_clock;
  const int64_t rate_;
  std::mutex mutex_;
  Clock::time_point next_ = Clock::now();
};

class Pusher {
 public:
  Pusher(const Settings& settings, const Notice& notice, std::string directory, S3Store store,
         std::string prefix, std::stop_token stop)
      : settings_(settings),
        notice_(notice),
        directory_(std::move(directory)),
        store_(std::move(store)),
        prefix_(std::move(prefix)),
        stop_(std::move(stop)),
        api_(settings.hub, stop_, notice),
        pace_(settings.hub.max_rate) {}

  Status push(const MarkerFile& file) {
    const std::string key = key_of(file.path);
    if (is_there(key, file)) {
      done += file.size;
      ++skipped;
      return {};
    }
    const UniqueFd fd(::open((directory_ + "/" + file.path).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return errno_error("cannot open " + directory_ + "/" + file.path, errno);
    const int64_t part_bytes = push_part_bytes(file.size, settings_.hub.part_bytes);
    ++uploaded;
    if (file.size <= part_bytes) return put_whole(fd.get(), file, key);
    return put_parts(fd.get(), file, key, part_bytes);
  }

  Status put_marker(const ModelMarker& marker) {
    const std::string text = marker_text(marker);
    const std::string key = key_of(kMarkerName);
    return expect(api_.send([&] { return store_.request("PUT", key, {}, sum_fields(text), text); }), key)
        .status();
  }

  std::atomic<int64_t> done{0};
  std::atomic<int64_t> sent{0};
  int uploaded = 0;
  int skipped = 0;

 private:
  struct Upload {
    int fd;
    const MarkerFile& file;
    std::string key;
    std::string id;
    int64_t part_bytes;
    std::vector<S3Part> parts;  // by number, from 1; number 0: still to be sent
  };

  std::string key_of(const std::string& path) const { return prefix_.empty() ? path : prefix_ + "/" + path; }

  static HttpHeaders sum_fields(std::string_view data) {
    return {{"x-amz-checksum-sha256", to_base64(digest_of(DigestKind::kSha256, data))}};
  }

  Result<CurlResponse> expect(Result<CurlResponse> response, const std::string& key) const {
    if (response.ok() && !is_success(*response))
      return status_error(*response, store_.url(key), "s3://" + store_.bucket() + "/" + key);
    return response;
  }

  bool is_there(const std::string& key, const MarkerFile& file) {
    const auto head = store_.head(api_, key);
    return head.ok() && head->size == file.size && head->checksum.kind == Checksum::Kind::kSha256 &&
           head->checksum.hex == file.sha256;
  }

  Result<std::string> read_part(const Upload& upload, int part) const {
    const int64_t from = (part - 1) * upload.part_bytes;
    const auto count = static_cast<size_t>(std::min(upload.part_bytes, upload.file.size - from));
    std::string data;
    HADAL_RETURN_IF_ERROR(read_all_at(upload.fd, from, count, data, directory_ + "/" + upload.file.path));
    return data;
  }

  Status put_whole(int fd, const MarkerFile& file, const std::string& key) {
    std::string data;
    HADAL_RETURN_IF_ERROR(read_all_at(fd, 0, static_cast<size_t>(file.size), data, file.path));
    if (to_hex(digest_of(DigestKind::kSha256, data)) != file.sha256) return changed(file);
    HttpHeaders fields = sum_fields(data);
    fields.add(kS3Sha256Field, file.sha256);
    pace_.spend(file.size, stop_);
    HADAL_RETURN_IF_ERROR(
        expect(api_.send([&] { return store_.request("PUT", key, {}, fields, data); }), key).status());
    sent += file.size;
    done += file.size;
    return {};
  }

  Error changed(const MarkerFile& file) const {
    return make_error(ErrorCode::kDataLoss, directory_, "/", file.path,
                      " changed while it was sent; run hadal push again when it is at rest");
  }

  Status put_parts(int fd, const MarkerFile& file, const std::string& key, int64_t part_bytes) {
    Upload upload{fd, file, key, "", part_bytes, {}};
    upload.parts.resize(static_cast<size_t>((file.size + part_bytes - 1) / part_bytes));
    HADAL_RETURN_IF_ERROR(take_up(upload));
    const bool resumed = !upload.id.empty();
    if (!resumed) HADAL_RETURN_IF_ERROR(begin(upload));
    const Status status = send_parts(upload);
    if (!status.ok()) return give_up(upload, status.error());
    const Status completed = complete(upload);
    if (!completed.ok()) return give_up(upload, completed.error());
    // An upload taken up again may have been begun for other content.
    if (resumed && !is_there(key, file)) return put_again(upload);
    return {};
  }

  Status put_again(Upload& upload) {
    upload.parts.assign(upload.parts.size(), {});
    done -= upload.file.size;
    HADAL_RETURN_IF_ERROR(begin(upload));
    const Status status = send_parts(upload);
    if (!status.ok()) return give_up(upload, status.error());
    return complete(upload);
  }

  // The store keeps the parts of an upload until it is completed or aborted: they are wanted by the next run,
  // but not where no run can succeed.
  Error give_up(const Upload& upload, const Error& error) {
    const bool passing = error.code == ErrorCode::kCancelled || error.code == ErrorCode::kUnavailable ||
                         error.code == ErrorCode::kDeadlineExceeded || error.code == ErrorCode::kIo;
    if (!passing)
      (void)api_.send([&] { return store_.request("DELETE", upload.key, {{"uploadId", upload.id}}); });
    return error;
  }

  Status begin(Upload& upload) {
    const HttpHeaders fields{{"x-amz-checksum-algorithm", "SHA256"}, {kS3Sha256Field, upload.file.sha256}};
    HADAL_ASSIGN(const CurlResponse response, expect(api_.send([&] {
                   return store_.request("POST", upload.key, {{"uploads", ""}}, fields);
                 }),
                                                     upload.key));
    HADAL_ASSIGN(const XmlNode xml, parse_xml(response.body));
    upload.id = xml.value("UploadId");
    if (upload.id.empty())
      return make_error(ErrorCode::kDataLoss, web_host(store_.url("")),
                        " begins an upload and does not name it");
    return {};
  }

  // The last upload of this key that was not completed, and which of its parts are ours.
  Status take_up(Upload& upload) {
    HADAL_ASSIGN(const CurlResponse listed, api_.send([&] {
      return store_.request("GET", "", {{"uploads", ""}, {"prefix", upload.key}});
    }));
    // Listing uploads needs a right of its own: without it all is sent anew.
    if (listed.status != 200) return {};
    const auto ids = parse_s3_uploads(listed.body, upload.key);
    if (!ids.ok() || ids->empty()) return {};
    std::vector<S3Part> parts;
    for (int next = 0, pages = 0; pages < 100; ++pages) {
      HADAL_ASSIGN(const CurlResponse page, api_.send([&] {
        S3Query query{{"uploadId", ids->back()}};
        if (next > 0) query.emplace_back("part-number-marker", std::to_string(next));
        return store_.request("GET", upload.key, query);
      }));
      if (page.status != 200 || !parse_s3_parts(page.body, parts, next).ok()) return {};
      if (next == 0) break;
    }
    int64_t found = 0;
    for (const S3Part& part : parts) {
      if (stop_.stop_requested()) return make_error(ErrorCode::kCancelled, "stopped");
      if (part.number < 1 || static_cast<size_t>(part.number) > upload.parts.size()) return {};
      HADAL_ASSIGN(const std::string data, read_part(upload, part.number));
      if (part.size != static_cast<int64_t>(data.size()) || !is_same(part, data)) return {};
      S3Part& slot = upload.parts[static_cast<size_t>(part.number - 1)];
      if (slot.number == 0) found += part.size;
      slot = part;
      slot.sha256 = digest_of(DigestKind::kSha256, data);
    }
    upload.id = ids->back();
    done += found;
    if (found > 0)
      notice_(upload.file.path + ": an unfinished upload is taken up (" + shown_bytes(found) + " are there)");
    return {};
  }

  static bool is_same(const S3Part& part, const std::string& data) {
    if (!part.sha256.empty()) return part.sha256 == digest_of(DigestKind::kSha256, data);
    return part.etag == "\"" + to_hex(digest_of(DigestKind::kMd5, data)) + "\"";
  }

  Status send_parts(Upload& upload) {
    std::atomic<size_t> next{0};
    std::atomic<bool> failed{false};
    std::mutex mutex;
    Status first;
    const int64_t room = std::max<int64_t>(1, kMemory / (2 * upload.part_bytes));
    const auto count = static_cast<size_t>(std::min<int64_t>(settings_.hub.connections, room));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < std::min(count, upload.parts.size()); ++i) {
      threads.emplace_back([&] {
        ApiClient api(settings_.hub, stop_, notice_);
        for (size_t part = next++; part < upload.parts.size() && !failed; part = next++) {
          if (upload.parts[part].number != 0) continue;
          Status status = send_part(api, upload, static_cast<int>(part) + 1);
          if (status.ok()) continue;
          failed = true;
          std::lock_guard lock(mutex);
          if (first.ok()) first = std::move(status);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return first;
  }

  Status send_part(ApiClient& api, Upload& upload, int part) {
    Status read;
    int64_t size = 0;
    std::string sum;
    pace_.spend(upload.part_bytes, stop_);
    // Read anew for each try: no copy waits in memory.
    auto response = expect(api.send([&] {
      auto data = read_part(upload, part);
      if (!data.ok()) read = data.error();
      std::string body = data.ok() ? std::move(*data) : std::string();
      size = static_cast<int64_t>(body.size());
      sum = digest_of(DigestKind::kSha256, body);
      const HttpHeaders fields{{"x-amz-checksum-sha256", to_base64(sum)}};
      return store_.request("PUT", upload.key,
                            {{"partNumber", std::to_string(part)}, {"uploadId", upload.id}}, fields,
                            std::move(body));
    }),
                           upload.key);
    HADAL_RETURN_IF_ERROR(read);
    if (!response.ok()) return response.error();
    const std::string* etag = response->headers.find("ETag");
    if (etag == nullptr)
      return make_error(ErrorCode::kDataLoss, upload.key, ": the store gives a part no ETag");
    upload.parts[static_cast<size_t>(part - 1)] = {part, size, *etag, sum};
    sent += size;
    done += size;
    return {};
  }

  Status complete(const Upload& upload) {
    std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (const S3Part& part : upload.parts) {
      body += "<Part><PartNumber>" + std::to_string(part.number) + "</PartNumber><ETag>" +
              xml_escaped(part.etag) + "</ETag><ChecksumSHA256>" + to_base64(part.sha256) +
              "</ChecksumSHA256></Part>";
    }
    body += "</CompleteMultipartUpload>";
    return expect(api_.send([&] {
             return store_.request("POST", upload.key, {{"uploadId", upload.id}},
                                   {{"Content-Type", "application/xml"}}, body);
           }),
                  upload.key)
        .status();
  }

  const Settings& settings_;
  const Notice& notice_;
  const std::string directory_;
  const S3Store store_;
  const std::string prefix_;
  const std::stop_token stop_;
  ApiClient api_;
  Pace pace_;
};

// Hashes of the directory's own marker are believed where size and time of change are as they were.
Result<ModelMarker> describe(const Settings& settings, const std::string& directory, PullMonitor& monitor,
                             const std::stop_token& stop) {
  HADAL_RETURN_IF_ERROR(check_before_loading(directory));
  HADAL_ASSIGN(const auto old, read_marker(directory));
  HADAL_ASSIGN(const std::vector<MarkerFile> files, list_directory(directory));
  std::map<std::string, MarkerFile> known;
  ModelMarker marker;
  marker.source = "push:" + directory.substr(directory.rfind('/') + 1);
  if (old) {
    marker.source = old->source;
    marker.revision = old->revision;
    for (const MarkerFile& file : old->files) known[file.path] = file;
  }
  marker.created = timestamp_now();
  for (const MarkerFile& file : files) {
    const bool excluded =
        std::any_of(settings.hub.exclude.begin(), settings.hub.exclude.end(),
                    [&](const std::string& pattern) { return path_matches(pattern, file.path); });
    if (!excluded && !file.path.starts_with(".git/")) marker.files.push_back(file);
  }
  if (marker.files.empty()) return invalid_argument(directory, " holds no files to push");
  std::atomic<int64_t> done{0};
  const int64_t total = marker.total_bytes();
  monitor.watch("hashing", [&] { return PullProgress{"", done, total, 0}; });
  Status status;
  for (MarkerFile& file : marker.files) {
    const auto at = known.find(file.path);
    if (at != known.end() && at->second.size == file.size && at->second.mtime_ns == file.mtime_ns) {
      file.sha256 = at->second.sha256;
      done += file.size;
      continue;
    }
    auto hash = hash_file(
        directory + "/" + file.path, [&](int64_t n) { done += n; }, stop);
    status = hash.status();
    if (!status.ok()) break;
    file.sha256 = *hash;
  }
  monitor.stop_watching();
  HADAL_RETURN_IF_ERROR(status);
  return marker;
}

}  // namespace

int64_t push_part_bytes(int64_t file_size, int64_t wanted) {
  constexpr int64_t kRound = int64_t{1} << 20;
  const int64_t least = (file_size + kMaxParts - 1) / kMaxParts;
  return std::max({wanted, kMinPart, (least + kRound - 1) / kRound * kRound});
}

Result<std::vector<std::string>> parse_s3_uploads(std::string_view text, const std::string& key) {
  HADAL_ASSIGN(const XmlNode root, parse_xml(text));
  if (root.name != "ListMultipartUploadsResult") return invalid_argument("the answer is no list of uploads");
  std::vector<std::pair<std::string, std::string>> found;
  for (const XmlNode& node : root.children) {
    if (node.name == "Upload" && node.value("Key") == key && !node.value("UploadId").empty())
      found.emplace_back(node.value("Initiated"), node.value("UploadId"));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (auto& [when, id] : found) out.push_back(std::move(id));
  return out;
}

Status parse_s3_parts(std::string_view text, std::vector<S3Part>& parts, int& next) {
  HADAL_ASSIGN(const XmlNode root, parse_xml(text));
  // Not all stores call it ListPartsResult.
  if (!root.name.starts_with("ListParts")) return invalid_argument("the answer is no list of parts");
  for (const XmlNode& node : root.children) {
    if (node.name != "Part") continue;
    const int64_t part = number_in(node.value("PartNumber"));
    if (part < 1 || part > kMaxParts || number_in(node.value("Size")) < 0)
      return invalid_argument("a part without number or size");
    if (parts.size() >= kMaxListedParts) return make_error(ErrorCode::kTooLarge, "too many parts");
    parts.push_back({static_cast<int>(part), number_in(node.value("Size")), node.value("ETag"),
                     from_base64(node.value("ChecksumSHA256"))});
  }
  const int64_t marker = number_in(root.value("NextPartNumberMarker"));
  const bool more = root.value("IsTruncated") == "true" && marker > next && marker <= kMaxParts;
  next = more ? static_cast<int>(marker) : 0;
  return {};
}

Result<PushOutcome> push_model(const Settings& settings, const Notice& notice, PullMonitor& monitor,
                               std::stop_token stop) {
  std::string directory = settings.hub.arguments[0];
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  if (!is_directory(directory)) return make_error(ErrorCode::kNotFound, directory, " is no directory");
  std::string bucket, prefix;
  HADAL_RETURN_IF_ERROR(parse_s3_address(settings.hub.arguments[1], bucket, prefix));
  HADAL_ASSIGN(S3Access access, find_s3_access(settings.hub, settings.environment));
  if (access.credentials.empty()) {
    return make_error(
        ErrorCode::kUnauthenticated,
        "no keys for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name "
        "a --profile of ~/.aws/credentials");
  }
  PushOutcome outcome;
  outcome.target = "s3://" + bucket + (prefix.empty() ? "" : "/" + prefix);
  HADAL_ASSIGN(outcome.marker, describe(settings, directory, monitor, stop));
  notice(outcome.target + ": " + std::to_string(outcome.marker.files.size()) + " files, " +
         shown_bytes(outcome.marker.total_bytes()));
  Pusher pusher(settings, notice, directory, S3Store(std::move(access), bucket), prefix, stop);
  const int64_t total = outcome.marker.total_bytes();
  monitor.watch("pushing", [&] { return PullProgress{"", pusher.done, total, pusher.done - pusher.sent}; });
  Status status;
  for (const MarkerFile& file : outcome.marker.files) {
    status = pusher.push(file);
    if (!status.ok()) break;
  }
  monitor.stop_watching();
  HADAL_RETURN_IF_ERROR(status);
  HADAL_RETURN_IF_ERROR(pusher.put_marker(outcome.marker));
  outcome.uploaded = pusher.uploaded;
  outcome.skipped = pusher.skipped;
  outcome.sent = pusher.sent;
  return outcome;
}

}  // namespace hadal
