#include "deploy/cluster/object_cache.h"

#include <algorithm>

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr size_t kMaxWatchLine = size_t{32} << 20;
constexpr int kWatchSeconds = 240;
constexpr auto kPollInterval = std::chrono::seconds(2);
constexpr auto kFirstPause = std::chrono::milliseconds(200);
constexpr auto kLongestPause = std::chrono::milliseconds(5000);

std::string key_of(const Json& object) {
  return std::string(namespace_of(object)) + "/" + std::string(name_of(object));
}

}  // namespace

Result<std::vector<WatchReader::Event>> WatchReader::feed(std::string_view data) {
  std::vector<Event> out;
  while (!data.empty()) {
    const size_t end = data.find('\n');
    line_ += data.substr(0, end);
    if (line_.size() > kMaxWatchLine) return make_error(ErrorCode::kTooLarge, "a watch event is too long");
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
    if (line_.empty()) continue;
    auto event = parse_json(line_);
    line_.clear();
    if (!event.ok()) return make_error(ErrorCode::kDataLoss, "a watch event is no JSON");
    const Json* object = event->find("object");
    out.push_back({std::string(text_at(*event, "type")), object == nullptr ? Json() : *object});
  }
  return out;
}

struct ObjectCache::Collection {
  KubeResource resource;
  std::string namespace_name;
  std::map<std::string, Json> objects;
  std::string resource_version;
  std::string problem;
  bool read = false;
  std::jthread thread;
};

ObjectCache::ObjectCache(const KubeClient& client) : client_(client) {}
ObjectCache::~ObjectCache() {
  for (const auto& collection : collections_) collection->thread.request_stop();
  for (const auto& collection : collections_) {
    if (collection->thread.joinable()) collection->thread.join();
  }
}

void ObjectCache::follow(const KubeResource& resource, const std::string& namespace_name) {
  std::lock_guard lock(mutex_);
  for (const auto& collection : collections_) {
    if (collection->resource.plural == resource.plural &&
        collection->resource.api_version == resource.api_version &&
        (collection->namespace_name == namespace_name || !resource.namespaced))
      return;
  }
  Collection& added = *collections_.emplace_back(std::make_unique<Collection>());
  added.resource = resource;
  added.namespace_name = namespace_name;
  added.thread = std::jthread([this, &added](std::stop_token stop) { run(added, stop); });
}

std::vector<Json> ObjectCache::objects(std::string_view kind) const {
  std::lock_guard lock(mutex_);
  std::vector<Json> out;
  for (const auto& collection : collections_) {
    if (collection->resource.kind != kind) continue;
    for (const auto& [key, object] : collection->objects) out.push_back(object);
  }
  return out;
}

std::vector<Json> ObjectCache::all() const {
  std::lock_guard lock(mutex_);
  std::vector<Json> out;
  for (const auto& collection : collections_) {
    for (const auto& [key, object] : collection->objects) out.push_back(object);
  }
  return out;
}

uint64_t ObjectCache::wait_for_change(uint64_t version, std::chrono::milliseconds time,
                                      std::stop_token stop) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, time, [&] { return version_ != version; });
  return version_;
}

bool ObjectCache::complete() const {
  std::lock_guard lock(mutex_);
  return std::all_of(collections_.begin(), collections_.end(),
                     [](const auto& c) { return c->read || !c->problem.empty(); });
}

std::vector<std::string> ObjectCache::problems() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& collection : collections_) {
    if (!collection->problem.empty()) out.push_back(collection->resource.plural + ": " + collection->problem);
  }
  return out;
}

void ObjectCache::note(Collection& collection, std::string problem) {
  std::lock_guard lock(mutex_);
  if (collection.problem == problem) return;
  collection.problem = std::move(problem);
  ++version_;
  changed_.notify_all();
}

void ObjectCache::run(Collection& collection, std::stop_token stop) {
  KubeClient client = client_.another(stop);
  bool watch_allowed = true;
  std::chrono::milliseconds pause = kFirstPause;
  while (!stop.stop_requested()) {
    const bool had_version = !collection.resource_version.empty();
    const auto began = std::chrono::steady_clock::now();
    Status status =
        had_version && watch_allowed ? watch(collection, client, watch_allowed) : list(collection, client);
    if (stop.stop_requested()) return;
    if (status.ok()) {
      note(collection, "");
      pause = kFirstPause;
      // A proxy that ends every watch at once is not asked again at once.
      const bool hasty = had_version && std::chrono::steady_clock::now() - began < kFirstPause;
      if (watch_allowed && !hasty) continue;
    } else if (status.error().code == ErrorCode::kNotFound && had_version) {
      collection.resource_version.clear();  // too old: list again
      continue;
    } else if (!had_version || !watch_allowed) {
      note(collection, status.error().message);
    }
    if (!client.sleep(watch_allowed ? pause : std::chrono::milliseconds(kPollInterval))) return;
    pause = std::min(kLongestPause, pause * 2);
  }
}

Status ObjectCache::list(Collection& collection, KubeClient& client) {
  std::string version;
  HADAL_ASSIGN(const std::vector<Json> items,
               client.list(collection_path(collection.resource, collection.namespace_name), {}, &version));
  std::lock_guard lock(mutex_);
  collection.objects.clear();
  for (const Json& item : items) collection.objects[key_of(item)] = item;
  collection.resource_version = version;
  collection.read = true;
  ++version_;
  changed_.notify_all();
  return {};
}

Status ObjectCache::watch(Collection& collection, KubeClient& client, bool& allowed) {
  WatchReader reader;
  Status failed;
  const auto take = [&](WatchReader::Event& event) {
    if (event.type == "ERROR") {
      const bool old = int_at(event.object, "code") == 410;
      failed =
          make_error(old ? ErrorCode::kNotFound : ErrorCode::kUnavailable, text_at(event.object, "message"));
      return;
    }
    const std::string_view version = text_at(event.object, "metadata.resourceVersion");
    if (!version.empty()) collection.resource_version = version;
    if (event.type == "BOOKMARK") return;
    if (kind_of(event.object).empty()) event.object.set("kind", collection.resource.kind);
    std::lock_guard lock(mutex_);
    const std::string key = key_of(event.object);
    if (event.type == "DELETED") {
      collection.objects.erase(key);
    } else {
      collection.objects[key] = std::move(event.object);
    }
    ++version_;
    changed_.notify_all();
  };
  const auto on_data = [&](std::string_view data) {
    auto events = reader.feed(data);
    if (!events.ok()) failed = events.error();
    for (size_t i = 0; events.ok() && i < events->size() && failed.ok(); ++i) take((*events)[i]);
    return failed.ok();
  };
  const KubeQuery query = {{"watch", "true"},
                           {"allowWatchBookmarks", "true"},
                           {"resourceVersion", collection.resource_version},
                           {"timeoutSeconds", std::to_string(kWatchSeconds)}};
  auto reply = client.stream(collection_path(collection.resource, collection.namespace_name), query, on_data,
                             std::chrono::seconds(kWatchSeconds + 30));
  if (!failed.ok()) return failed;
  if (!reply.ok()) return reply.status();
  if (reply->status == 403 || reply->status == 405) allowed = false;
  if (reply->status == 410) return make_error(ErrorCode::kNotFound, "the version is too old");
  if (!reply->ok()) return kube_error(*reply, "");
  return {};
}

}  // namespace hadal::cluster
