#include "deploy/cluster/wait_run.h"

#include <time.h>

#include <algorithm>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
// Looks come at least this often: ages, and things that change without an event.
constexpr auto kLongestLook = milliseconds(2000);
// Changes that come together are looked at together.
constexpr auto kSettle = milliseconds(50);

const Json* find_object(const std::vector<Json>& objects, const WaitItem& item) {
  for (const Json& object : objects) {
    if (kind_of(object) == item.resource.kind && name_of(object) == item.name &&
        (namespace_of(object) == item.namespace_name || !item.resource.namespaced))
      return &object;
  }
  return nullptr;
}

std::string without_digits(std::string text) {
  std::erase_if(text, [](char c) { return (c >= '0' && c <= '9'); });
  return text;
}

}  // namespace

std::string WaitItem::title() const {
  return resource.kind + " " + (namespace_name.empty() ? "" : namespace_name + "/") + name;
}

ReadinessWaiter::ReadinessWaiter(KubeClient& client, PrintLine print)
    : client_(client), print_(std::move(print)) {}

void ReadinessWaiter::follow(const std::vector<WaitItem>& items) {
  if (cache_ == nullptr) cache_ = std::make_unique<ObjectCache>(client_);
  for (const WaitItem& item : items) {
    cache_->follow(item.resource, item.namespace_name);
    const std::string_view kind = item.resource.kind;
    if (!item.resource.namespaced) continue;
    cache_->follow(*well_known_resource("Event"), item.namespace_name);
    if (kind == "PersistentVolumeClaim") cache_->follow(*well_known_resource("StorageClass"), "");
    if (!is_workload_kind(kind)) continue;
    cache_->follow(*well_known_resource("Pod"), item.namespace_name);
    cache_->follow(*well_known_resource("Node"), "");
  }
}

bool ReadinessWaiter::is_news(const std::string& subject, const std::string& text) {
  std::string& before = said_[subject];
  std::string now = without_digits(text);
  if (before == now) return false;
  before = std::move(now);
  return true;
}

void ReadinessWaiter::say(const WaitItem& item, const Readiness& readiness) {
  const std::string title = item.title();
  const bool ready = readiness.state == Readiness::State::kReady;
  std::string& before = said_[title];
  // Counts are news here.
  if (before != readiness.summary) {
    before = readiness.summary;
    print_("  " + title + ": " + readiness.summary);
  }
  if (ready) return;
  for (const Readiness::Detail& detail : readiness.details) {
    if (is_news(title + "\n" + detail.subject, detail.text))
      print_("    " + detail.subject + ": " + detail.text);
  }
}

WaitEnd ReadinessWaiter::look(const std::vector<WaitItem>& items) {
  const std::vector<Json> all = cache_->all();
  const ClusterView view = make_cluster_view(all, ::time(nullptr));
  bool ready = true, failed = false;
  for (const WaitItem& item : items) {
    const Json* live = find_object(all, item);
    const bool old = live != nullptr && ((!item.uid.empty() && text_at(*live, "metadata.uid") != item.uid) ||
                                         int_at(*live, "metadata.generation") < item.generation);
    if (old || (live == nullptr && !cache_->complete())) {
      ready = false;
      continue;
    }
    const Readiness readiness = check_readiness(live == nullptr ? Json() : *live, view);
    say(item, readiness);
    ready &= readiness.state == Readiness::State::kReady;
    failed |= readiness.state == Readiness::State::kFailed;
  }
  return failed ? WaitEnd::kFailed : ready ? WaitEnd::kReady : WaitEnd::kTimeout;
}

WaitEnd ReadinessWaiter::wait(const std::vector<WaitItem>& items, Clock::time_point deadline) {
  follow(items);
  uint64_t version = 0;
  for (;;) {
    const WaitEnd now = look(items);
    if (now != WaitEnd::kTimeout) return now;
    if (client_.stop_token().stop_requested()) return WaitEnd::kStopped;
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return WaitEnd::kTimeout;
    version =
        cache_->wait_for_change(version, std::min(left, milliseconds(kLongestLook)), client_.stop_token());
    if (!client_.sleep(std::min(left, milliseconds(kSettle)))) return WaitEnd::kStopped;
    for (const std::string& problem : cache_->problems()) {
      if (is_news("problem " + problem, problem)) print_("  cannot see " + problem);
    }
  }
}

WaitEnd ReadinessWaiter::wait_gone(const std::vector<WaitItem>& items, Clock::time_point deadline) {
  for (const WaitItem& item : items) {
    const std::string path = object_path(item.resource, item.namespace_name, item.name);
    for (auto pause = milliseconds(100);; pause = std::min(milliseconds(2000), pause * 2)) {
      KubeCall request;
      request.path = path;
      const auto reply = client_.call(request);
      if (client_.stop_token().stop_requested()) return WaitEnd::kStopped;
      if (!reply.ok()) return WaitEnd::kFailed;
      if (reply->status == 404) break;
      if (!item.uid.empty() && text_at(reply->body, "metadata.uid") != item.uid) break;
      std::string held;
      for (const Json& finalizer : array_at(reply->body, "metadata.finalizers"))
        held += (held.empty() ? "" : ", ") + scalar_text(&finalizer);
      if (pause >= milliseconds(1600) && is_news("gone " + item.title(), held))
        print_("  " + item.title() + " is still there" + (held.empty() ? "" : ": held by " + held));
      if (Clock::now() >= deadline) return WaitEnd::kTimeout;
      if (!client_.sleep(pause)) return WaitEnd::kStopped;
    }
  }
  return WaitEnd::kReady;
}

}  // namespace hadal::cluster
