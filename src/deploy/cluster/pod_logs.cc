#include "deploy/cluster/pod_logs.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <mutex>
#include <thread>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {
namespace {

constexpr size_t kMaxFollowed = 128;
constexpr size_t kMaxLogLine = size_t{1} << 20;
constexpr auto kFindInterval = std::chrono::seconds(2);
constexpr auto kSilence = std::chrono::hours(24);
constexpr auto kReconnectPause = std::chrono::milliseconds(500);

struct RankFilter {
  int group = -1;  // any
  int rank = 0;
};

Result<RankFilter> parse_rank(const std::string& text) {
  RankFilter out;
  const size_t slash = text.find('/');
  const auto number = [](std::string_view digits, int& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() && value >= 0;
  };
  const std::string_view rank = std::string_view(text).substr(slash == std::string::npos ? 0 : slash + 1);
  const bool good = number(rank, out.rank) && (slash == std::string::npos ||
                                               number(std::string_view(text).substr(0, slash), out.group));
  if (!good) return invalid_argument("--rank is \"", text, "\": it takes a rank (1), or group/rank (0/1)");
  return out;
}

std::string log_path(const LogTarget& target) {
  return object_path(*well_known_resource("Pod"), target.namespace_name, target.pod) + "/log";
}

KubeQuery log_query(const LogTarget& target, const LogOptions& options) {
  KubeQuery out = {{"container", target.container}};
  if (options.previous) out.emplace_back("previous", "true");
  if (options.follow) out.emplace_back("follow", "true");
  if (options.since_seconds > 0) out.emplace_back("sinceSeconds", std::to_string(options.since_seconds));
  if (options.tail >= 0) out.emplace_back("tailLines", std::to_string(options.tail));
  return out;
}

// Splits what comes into whole lines.
class LineSplitter {
 public:
  void feed(std::string_view data, const std::function<void(std::string_view)>& take) {
    while (!data.empty()) {
      const size_t end = data.find('\n');
      rest_ += data.substr(0, end);
      if (end == std::string_view::npos && rest_.size() < kMaxLogLine) return;
      take(rest_);
      rest_.clear();
      data.remove_prefix(end == std::string_view::npos ? data.size() : end + 1);
    }
  }
  void finish(const std::function<void(std::string_view)>& take) {
    if (!rest_.empty()) take(rest_);
    rest_.clear();
  }

 private:
  std::string rest_;
};

// Follows one container. Every line is asked for with its time, so that a broken connection goes on where it
// broke.
class Follower {
 public:
  Follower(const LogTarget& target, LogOptions options, const PrintLog& print)
      : target_(target), options_(std::move(options)), print_(print) {}

  void run(KubeClient client) {
    while (!client.stop_token().stop_requested()) {
      LineSplitter splitter;
      const auto take = [this](std::string_view line) { take_line(line); };
      KubeQuery query = log_query(target_, options_);
      query.emplace_back("timestamps", "true");
      if (!last_time_.empty()) {
        std::erase_if(query,
                      [](const auto& q) { return q.first == "sinceSeconds" || q.first == "tailLines"; });
        query.emplace_back("sinceTime", last_time_.substr(0, last_time_.find('.')) +
                                            (last_time_.find('.') == std::string::npos ? "" : "Z"));
      }
      const auto reply = client.stream(
          log_path(target_), query, [&](std::string_view data) { return splitter.feed(data, take), true; },
          kSilence);
      splitter.finish(take);
      if (reply.ok() && reply->ok()) return;           // the container ended
      if (reply.ok() && reply->status == 404) return;  // the pod is gone
      if (!client.sleep(kReconnectPause)) return;
    }
  }

 private:
  void take_line(std::string_view line) {
    const size_t space = line.find(' ');
    const std::string_view time = line.substr(0, space);
    // Seen before the connection broke: times are compared as text, of one form and zone.
    if (!last_time_.empty() && time <= last_time_) return;
    last_time_ = time;
    print_(target_.prefix,
           options_.timestamps || space == std::string_view::npos ? line : line.substr(space + 1));
  }

  const LogTarget target_;
  const LogOptions options_;
  const PrintLog& print_;
  std::string last_time_;
};

bool wanted(const std::vector<RankFilter>& filters, const RankView& rank) {
  if (filters.empty()) return true;
  return std::any_of(filters.begin(), filters.end(), [&](const RankFilter& f) {
    return f.rank == rank.rank && (f.group < 0 || f.group == rank.group);
  });
}

// Of a pod that no node runs yet the API server gives an empty log.
std::string why_no_log(const Json& pod, const RankView& rank) {
  if (!text_at(pod, "spec.nodeName").empty() || text_at(pod, "status.phase") != "Pending") return "";
  return rank.state.phase + (rank.state.reason.empty() ? "" : ": " + rank.state.reason);
}

void add_containers(const Json& pod, const std::string& title, const LogOptions& options,
                    std::vector<LogTarget>& out) {
  std::vector<std::string> names;
  for (const char* list : {"spec.initContainers", "spec.containers"}) {
    for (const Json& container : array_at(pod, list)) {
      const std::string name(text_at(container, "name"));
      const bool init = list == std::string_view("spec.initContainers");
      const bool chosen = options.containers.empty()
                              ? !init || text_at(pod, "status.phase") == "Pending"
                              : std::find(options.containers.begin(), options.containers.end(), name) !=
                                    options.containers.end();
      if (chosen) names.push_back(name);
    }
  }
  for (const std::string& name : names) {
    const std::string suffix = names.size() > 1 ? " " + name : "";
    out.push_back({std::string(namespace_of(pod)), std::string(name_of(pod)),
                   std::string(text_at(pod, "metadata.uid")), name, "[" + title + suffix + "] ", ""});
  }
}

void add_rank(const Json& workload, const RankView& rank, const ClusterView& view, const LogOptions& options,
              std::vector<LogTarget>& out) {
  const std::string place = std::to_string(rank.group) + "/" + std::to_string(rank.rank);
  if (rank.pod.empty()) {
    const std::string title = place + " " + std::string(name_of(workload));
    out.push_back({std::string(namespace_of(workload)), "", "", title, "[" + title + "] ",
                   rank.state.phase + (rank.state.reason.empty() ? "" : ": " + rank.state.reason)});
    return;
  }
  for (const Json& pod : view.pods) {
    if (name_of(pod) != rank.pod || namespace_of(pod) != namespace_of(workload)) continue;
    const std::string title = (group_size(workload) > 1 ? place + " " : "") + rank.pod;
    if (const std::string waiting = why_no_log(pod, rank); waiting.empty())
      add_containers(pod, title, options, out);
    else
      out.push_back({std::string(namespace_of(pod)), rank.pod, std::string(text_at(pod, "metadata.uid")), "",
                     "[" + title + "] ", waiting});
  }
}

std::string no_log_yet(const std::string& why) {
  return "(no log yet: " + why + ")";
}

}  // namespace

Result<std::vector<LogTarget>> select_log_targets(const std::vector<Json>& workloads, const ClusterView& view,
                                                  const std::vector<std::string>& ranks,
                                                  const LogOptions& options) {
  std::vector<RankFilter> filters;
  for (const std::string& text : ranks) {
    HADAL_ASSIGN(const RankFilter filter, parse_rank(text));
    filters.push_back(filter);
  }
  std::vector<LogTarget> out;
  for (const Json& workload : workloads) {
    for (const RankView& rank : ranks_of(workload, view)) {
      if (wanted(filters, rank)) add_rank(workload, rank, view, options, out);
    }
  }
  if (out.empty())
    return make_error(ErrorCode::kNotFound,
                      "no pod with this rank or container is there: see `hadal deploy status`");
  return out;
}

Result<bool> read_logs(KubeClient& client, const std::vector<LogTarget>& targets, const LogOptions& options,
                       const PrintLog& print) {
  bool any = false;
  for (const LogTarget& target : targets) {
    if (!target.waiting.empty()) {
      print(target.prefix, no_log_yet(target.waiting));
      continue;
    }
    KubeQuery query = log_query(target, options);
    if (options.timestamps) query.emplace_back("timestamps", "true");
    LineSplitter splitter;
    const auto take = [&](std::string_view line) { print(target.prefix, line); };
    const auto reply = client.stream(
        log_path(target), query, [&](std::string_view data) { return splitter.feed(data, take), true; },
        std::chrono::seconds(60));
    splitter.finish(take);
    if (!reply.ok()) return reply.error();
    any |= reply->ok();
    if (reply->ok()) continue;
    if (reply->status == 401 || reply->status == 403) return kube_error(*reply, "cannot read logs");
    KubeReply said = *reply;
    if (auto parsed = parse_json(said.text); parsed.ok()) said.body = std::move(*parsed);
    print(target.prefix, no_log_yet(kube_error(said, "").message));
  }
  return any;
}

Status follow_logs(KubeClient& client, const std::function<Result<std::vector<LogTarget>>()>& find,
                   const LogOptions& options, const PrintLog& print) {
  std::mutex mutex;
  const PrintLog print_one = [&](const std::string& prefix, std::string_view line) {
    std::lock_guard lock(mutex);
    print(prefix, line);
  };
  std::vector<LogTarget> followed;
  std::deque<Follower> followers;
  std::deque<std::jthread> threads;
  bool first = true;
  do {
    auto targets = find();
    if (!targets.ok() && first) return targets.status();
    for (size_t i = 0; targets.ok() && i < targets->size(); ++i) {
      const LogTarget& target = (*targets)[i];
      if (followers.size() >= kMaxFollowed ||
          std::find(followed.begin(), followed.end(), target) != followed.end())
        continue;
      followed.push_back(target);
      if (!target.waiting.empty()) {
        print_one(target.prefix, no_log_yet(target.waiting));
        continue;
      }
      LogOptions its_options = options;
      // What comes later is wanted from its beginning.
      if (!first) its_options.tail = -1, its_options.since_seconds = 0;
      Follower& follower = followers.emplace_back(target, its_options, print_one);
      threads.emplace_back(
          [&follower, own = client.another(client.stop_token())]() mutable { follower.run(std::move(own)); });
    }
    first = false;
  } while (client.sleep(kFindInterval));
  return {};
}

}  // namespace hadal::cluster
