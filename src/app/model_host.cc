#include "app/model_host.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <sstream>

#include "app/follower_engine.h"
#include "app/group_setup.h"
#include "app/model_digest.h"
#include "app/progress_bar.h"
#include "base/log.h"
#include "engine/engine.h"
#include "group/group_executor.h"
#include "group/wire.h"
#include "hub/model_marker.h"
#include "runtime/host_memory.h"
#include "runtime/local_executor.h"

namespace hadal {
namespace {

constexpr int kExitGroupLost = 3;
// Until every host has loaded its share: hundreds of gigabytes from slow storage take hours. Hosts that die
// meanwhile are noticed by their heartbeats.
constexpr auto kLoadTimeout = std::chrono::hours(12);

LoadFormat load_format(const std::string& name) {
  if (name == "safetensors") return LoadFormat::kSafetensors;
  if (name == "gguf") return LoadFormat::kGguf;
  if (name == "dummy") return LoadFormat::kDummy;
  return LoadFormat::kAuto;
}

Result<DType> parse_dummy_dtype(const std::string& name) {
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                      DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    if (dtype_name(dtype) == name) return dtype;
  }
  return invalid_argument("--dummy-dtype is \"", name, "\"");
}

// --quantization only says what the operator expects; the files say what is.
Status check_quantization(const std::string& wanted, const OpenedModel& model) {
  if (wanted == "fp8" && !model.config.fp8_blocks) {
    return invalid_argument(
        "--quantization fp8, but the checkpoint has no FP8 weights: hadal does not quantise at load");
  }
  if (wanted == "gguf" && model.gguf == nullptr) {
    return invalid_argument("--quantization gguf, but the model is no GGUF file");
  }
  return {};
}

std::string model_name(const std::string& path) {
  std::string name = path;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  const size_t slash = name.rfind('/');
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

std::chrono::milliseconds to_milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

void log_lines(const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) log_info(line);
}

}  // namespace

struct ModelHost::Impl {
  explicit Impl(const Settings& s) : settings(s) {}

  const Settings& settings;
  OpenedModel opened;
  StartPlan plan;
  ModelText text;
  ExecutorLimits limits;
  // Destroyed last to first: the channel's thread calls the executors, which call the local ranks and the
  // engine.
  std::unique_ptr<StepExecutor> leader_executor;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<FollowerEngine> follower_engine;
  std::unique_ptr<FollowerExecutor> follower;
  GroupExecutor* group_executor = nullptr;  // the engine's
  LocalExecutor* local = nullptr;           // the executor's
  std::mutex lost_mutex;
  bool running = false;  // ranks are up; a lost group goes through the executors
  bool stopped = false;
  std::string agreement;
  std::atomic<bool> asked_to_drain{false};
  std::unique_ptr<GroupChannel> channel;  // last: its thread calls all of the above

  bool is_leader() const { return settings.parallel.node_rank == 0; }

  Status open(const Progress& progress) {
    progress("opening", 0);
    HADAL_RETURN_IF_ERROR(check_chat_template(settings));
    OpenModelOptions options;
    options.format = load_format(settings.engine.load_format);
    HADAL_ASSIGN(options.dummy_dtype, parse_dummy_dtype(settings.engine.dummy_dtype));
    if (settings.engine.random_seed >= 0)
      options.dummy_seed = static_cast<uint64_t>(settings.engine.random_seed);
    HADAL_RETURN_IF_ERROR(check_before_loading(settings.engine.model_path));
    HADAL_ASSIGN(opened, open_model(settings.engine.model_path, options));
    HADAL_RETURN_IF_ERROR(check_quantization(settings.engine.quantization, opened));
    HADAL_ASSIGN(const int64_t available, available_memory());
    HADAL_ASSIGN(plan,
                 plan_start(settings, opened.config, detect_cpu(), opened.source->total_bytes(), available));
    if (!plan.context_note.empty()) log_info(plan.context_note);
    HADAL_ASSIGN(const std::string digest, model_digest(settings.engine, opened));
    agreement = group_agreement(settings, opened.config, plan, digest);
    return {};
  }

  // The channel's on_lost may come at any time from here on.
  Status join(const Progress& progress) {
    if (settings.parallel.nnodes == 1) return {};
    progress("joining", 0);
    log_info("waiting for the hosts of the group")
        .field("nnodes", settings.parallel.nnodes)
        .field("address", settings.parallel.dist_init_addr);
    HADAL_ASSIGN(channel, open_group(settings.parallel, agreement));
    channel->start({[this](const std::string& reason) { lost(reason); },
                    [this](std::string bytes) {
                      if (auto* ready = following()) ready->on_plan(std::move(bytes));
                    },
                    [this] {
                      if (auto* ready = following()) ready->on_stop();
                    },
                    [this](const std::string& reason) {
                      log_info("a follower asks for the end").field("reason", reason);
                      asked_to_drain = true;
                    }});
    return agree_on_context();
  }

  // Hosts may have different memory left: the least context length of all counts.
  Status agree_on_context() {
    const auto own = plan.executor.context_length;
    HADAL_ASSIGN(const int64_t least, least_over_hosts(settings.parallel, *channel, "context-length", own,
                                                       to_milliseconds(settings.parallel.dist_timeout)));
    if (least < own) log_info("context length of the host with the least memory").field("tokens", least);
    set_context(plan, settings, least);
    plan.executor.wait_for_others = [this]() -> Status {
      log_info("loaded; waiting for the other hosts to load");
      return least_over_hosts(settings.parallel, *channel, "loaded", 0, kLoadTimeout).status();
    };
    return {};
  }

  void lost(const std::string& reason) {
    std::lock_guard lock(lost_mutex);
    if (!running) {
      // Ranks that load or connect cannot be interrupted, and nobody is served yet.
      log_error("the group is lost").field("reason", reason);
      shutdown_logging();
      ::_exit(kExitGroupLost);
    }
    if (group_executor != nullptr) group_executor->group_lost(reason);
    if (follower != nullptr) {
      follower_engine->set_failed(reason);  // at once: a rank in a long step returns late
      follower->group_lost(reason);
    }
  }

  FollowerExecutor* following() {
    {
      std::lock_guard lock(lost_mutex);
      if (follower != nullptr) return follower.get();
    }
    lost("the leader sent a plan or the end before this host was ready");
    return nullptr;
  }

  Result<std::unique_ptr<StepExecutor>> load_ranks(const Progress& progress) {
    HADAL_ASSIGN(auto communicators,
                 make_communicators(settings.parallel, channel.get(), settings.engine.watchdog_timeout));
    progress("loading", 0);
    auto text_loading = std::async(std::launch::async, [this] { return load_model_text(settings, opened); });
    Result<std::unique_ptr<LocalExecutor>> made = [&] {
      const ProgressBar bar(
          "loading weights", opened.source->total_bytes(),
          [source = opened.source.get()] { return source->read_bytes(); },
          [&](double part) { progress("loading", part); });
      return LocalExecutor::make(opened.config, *opened.source, plan.executor, std::move(communicators));
    }();
    auto loaded_text = text_loading.get();
    if (!made.ok()) return std::move(made).error();
    HADAL_ASSIGN(text, std::move(loaded_text));
    limits = (*made)->limits();
    log_lines((*made)->memory_report());
    local = made->get();
    return std::unique_ptr<StepExecutor>(std::move(*made));
  }

  Status join_and_load(const Progress& progress, MetricsRegistry& metrics) {
    HADAL_RETURN_IF_ERROR(join(progress));
    HADAL_ASSIGN(std::unique_ptr<StepExecutor> ranks, load_ranks(progress));
    progress("starting", 0);
    return is_leader() ? start_leader(std::move(ranks), metrics) : start_follower(std::move(ranks));
  }

  Status start_follower(std::unique_ptr<StepExecutor> ranks) {
    follower_engine = std::make_unique<FollowerEngine>(limits.context_length);
    auto made =
        std::make_unique<FollowerExecutor>(std::move(ranks), *channel, settings.parallel.node_rank,
                                           [this](const std::string& reason) { local->abort(reason); });
    std::lock_guard lock(lost_mutex);
    follower = std::move(made);
    running = true;
    return {};
  }

  Status start_leader(std::unique_ptr<StepExecutor> ranks, MetricsRegistry& metrics) {
    std::unique_ptr<StepExecutor> executor = std::move(ranks);
    if (channel != nullptr) {
      auto grouped = std::make_unique<GroupExecutor>(
          std::move(executor), *channel, [this](const std::string& reason) { local->abort(reason); });
      HADAL_RETURN_IF_ERROR(wait_for_followers(*channel, settings.parallel.nnodes,
                                               to_milliseconds(settings.parallel.dist_timeout)));
      std::lock_guard lock(lost_mutex);
      group_executor = grouped.get();
      running = true;
      executor = std::move(grouped);
    }
    EngineOptions options;
    options.max_running = plan.executor.max_running_requests;
    options.max_queued = plan.max_queued_requests;
    options.chunked_prefill_size = plan.chunked_prefill_size;
    options.prefix_cache = !settings.engine.disable_radix_cache;
    options.queue_timeout = to_milliseconds(settings.engine.queue_timeout);
    options.total_timeout = to_milliseconds(settings.engine.request_timeout);
    options.hash_seed = (uint64_t{std::random_device{}()} << 32) | std::random_device{}();
    leader_executor = std::move(executor);
    HADAL_ASSIGN(engine, Engine::make(limits, options, *leader_executor, text.tokenizer, metrics));
    return {};
  }
};

ModelHost::ModelHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ModelHost::~ModelHost() {
  stop();
}

Result<std::unique_ptr<ModelHost>> ModelHost::load(const Settings& settings, MetricsRegistry& metrics,
                                                   const Progress& progress) {
  auto impl = std::make_unique<Impl>(settings);
  HADAL_RETURN_IF_ERROR(impl->open(progress));
  const Status status = impl->join_and_load(progress, metrics);
  if (!status.ok()) {
    // The other hosts must not wait for a host that could not load, and shall say why.
    if (impl->channel != nullptr) {
      // Connections to a host that died break before the channel says so, which ends the process (see
      // lost()).
      if (status.error().code == ErrorCode::kUnavailable)
        impl->channel->wait_until_lost(impl->channel->loss_time());
      impl->channel->abort("node " + std::to_string(settings.parallel.node_rank) + ": " +
                           status.error().message);
    }
    return status.error();
  }
  // Maps and staging buffers go; what must stay (a tied embedding table) is held by its layer.
  impl->opened.source.reset();
  return std::unique_ptr<ModelHost>(new ModelHost(std::move(impl)));
}

bool ModelHost::is_follower() const {
  return impl_->follower != nullptr;
}

EngineApi& ModelHost::engine() {
  if (is_follower()) return *impl_->follower_engine;
  return *impl_->engine;
}

ServedModel ModelHost::served() const {
  ServedModel served;
  served.names = impl_->settings.server.served_model_names;
  if (served.names.empty()) served.names = {model_name(impl_->settings.engine.model_path)};
  served.engine = impl_->follower != nullptr ? static_cast<EngineApi*>(impl_->follower_engine.get())
                                             : impl_->engine.get();
  served.tokenizer = impl_->text.tokenizer;
  if (impl_->text.chat_templates != nullptr) {
    served.render_chat = [chat = impl_->text.chat_templates](const Json& variables) {
      return chat->render(variables, std::chrono::system_clock::now());
    };
  }
  served.context_length = impl_->limits.context_length;
  served.hidden_size = impl_->opened.config.hidden_size;
  served.end_ids = impl_->text.end_ids;
  served.default_sampling = impl_->text.default_sampling;
  served.reasoning = impl_->text.reasoning;
  if (impl_->settings.engine.random_seed >= 0)
    served.random_seed = static_cast<uint64_t>(impl_->settings.engine.random_seed);
  served.fingerprint =
      "hadal-" + sha256_hex(impl_->agreement + std::to_string(impl_->limits.context_length)).substr(0, 12);
  served.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  return served;
}

void ModelHost::start() {
  if (!is_follower()) impl_->engine->start();
}

Status ModelHost::follow() {
  impl_->follower_engine->set_running();
  const Status status = impl_->follower->run();
  if (!status.ok()) impl_->follower_engine->set_failed(status.error().message);
  return status;
}

void ModelHost::ask_to_leave(const std::string& reason) {
  if (impl_->follower != nullptr) impl_->channel->announce_leaving(reason);
}

bool ModelHost::asked_to_drain() const {
  return impl_->asked_to_drain;
}

void ModelHost::leave(const std::string& reason) {
  if (impl_->follower != nullptr) impl_->follower->request_stop(reason);
}

void ModelHost::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  if (impl_->engine != nullptr) impl_->engine->stop();
  // Ends the channel's thread before what it calls.
  impl_->channel.reset();
}

}  // namespace hadal
